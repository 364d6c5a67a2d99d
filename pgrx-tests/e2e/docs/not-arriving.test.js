// docs/not-arriving.md: the way of an event as the page follows it, and each cause with what it looks like and what mends it.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { askedAgain } from '../../harness/asking.js';
import { openPage } from '../../harness/page.js';
import { PG_MAJOR, startPostgres } from '../../harness/postgres.js';
import { prepareDatabase } from '../../harness/roles.js';
import { attachmentCauses } from './not-arriving/attachments.js';
import { clientCauses } from './not-arriving/clients.js';
import { findings } from './not-arriving/findings.js';
import { sendingCauses } from './not-arriving/sending.js';
import { serverCauses } from './not-arriving/servers.js';
import { theWay } from './not-arriving/way.js';

describe('docs/not-arriving.md', () => {
  const page = openPage('docs/not-arriving.md');
  const context = {
    page,
    /** What the page says between backticks, to be run as it stands there. */
    says(code) {
      assert.ok(page.text.includes(`\`${code}\``), `${page.name} doesn't say ${code}`);
      return code;
    },
    /** The findings of the doctor, by the name of the check. */
    async wrong(session = context.admin, ns = '/') {
      const { rows } = await session.query('SELECT * FROM sio_doctor($1) WHERE NOT ok', [ns]);
      return Object.fromEntries(rows.map((row) => [row.check, row]));
    },
    /** Asserts that the doctor finds nothing. */
    well(message) {
      return askedAgain(async () => assert.deepEqual(await context.wrong(), {}, message));
    },
  };

  before(async () => {
    // A short notification queue, where it can be made so: before, it takes gigabytes to fill half of it.
    context.postgres = await startPostgres({
      name: 'docs-not-arriving', conf: { wal_level: 'logical', ...(PG_MAJOR >= 17 && { max_notify_queue_pages: 64 }) },
    });
    context.admin = await prepareDatabase(context.postgres);
  });

  after(async () => context.postgres?.stop());

  theWay(context);
  findings(context);
  sendingCauses(context);
  serverCauses(context);
  attachmentCauses(context);
  clientCauses(context);

  it('has no block that no test runs', () => page.assertAllTaken());
});
