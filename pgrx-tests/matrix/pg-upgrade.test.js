// pg_upgrade from each supported Postgres to each later one, of a database that uses the extension: what was queued arrives once, in
// order, and watches go on. scripts/matrix runs it, and says where the programs are.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { afterEach, describe, it } from 'node:test';
import { listen } from '../harness/listener.js';
import { startPostgres, upgradePostgres } from '../harness/postgres.js';
import { delivered, events, numbered, numberedBinary, numbers, PRELOAD, queueing, status, untilWorker, upTo } from '../harness/queue.js';
import { refused } from '../harness/refusals.js';
import { prepareDatabase } from '../harness/roles.js';

/** [major, folder of its programs], oldest first. */
const PROGRAMS = (process.env.MATRIX_PROGRAMS ?? '').split(' ').filter(Boolean).map((each) => each.split('='));
const PAIRS = PROGRAMS.flatMap((older, i) => PROGRAMS.slice(i + 1).map((newer) => [older, newer]));

const MESSAGES = 56;

// Postgres's releases of November 2026 (15.20, 17.12) note something of each column as an option of it, pg_attver, and their pg_upgrade
// gives it to the new server. One from before (16.14, 18.6) refuses that for every table, whatever extensions there are.
const notesVersions = (bin) => readFileSync(`${bin}/postgres`).includes('pg_attver');
const impossible = ([older, oldBin], [newer, newBin]) => notesVersions(oldBin) && !notesVersions(newBin)
  && `this Postgres ${newer} is from before November 2026, and ${older} from after: pg_upgrade fails at any table (pg_attver)`;

const hasLz4 = (bin) => execFileSync(`${bin}/pg_config`, ['--configure'], { encoding: 'utf8' }).includes('--with-lz4');

describe('pg_upgrade', () => {
  let servers = [];

  const kept = (server) => {
    servers.push(server);
    return server;
  };

  afterEach(async () => {
    for (const each of servers.splice(0).reverse()) await each.stop();
  });

  it('is tried between at least two versions', () => assert.ok(PAIRS.length > 0));

  for (const [[older, oldBin], [newer, newBin]] of PAIRS) {
    const skip = impossible([older, oldBin], [newer, newBin]);
    it(`from ${older} to ${newer} loses and doubles no queued message, and keeps watches and what has failed`, { skip }, async () => {
      const old = kept(await startPostgres({ name: 'upgrade-old', bin: oldBin }));
      const admin = await prepareDatabase(old);
      await admin.query(`CREATE TABLE orders (id int PRIMARY KEY); CREATE FUNCTION room_of(orders) RETURNS text LANGUAGE sql AS $$ SELECT 'staff' $$;
        SELECT sio_watch('orders', ARRAY['\${room_of()}'])`);
      const app = await queueing(old);
      // One that can't be sent and is set aside, and then those that wait.
      await admin.query(`CREATE TABLE gone (id bigserial, created_at timestamptz, payload bytea); BEGIN; SET LOCAL socketio_emitter.delivery = 'queue';
        SET LOCAL socketio_emitter.table_name = 'gone'; ${numberedBinary(-1)}; DROP TABLE gone; COMMIT; SELECT sio_deliver()`);
      for (const n of upTo(MESSAGES)) await app.query(n % 2 ? numbered(n) : numberedBinary(n));
      const before = await status(admin);
      assert.deepEqual([before.queued, before.failed], [String(MESSAGES), '1']);
      if (hasLz4(oldBin) && !hasLz4(newBin)) {
        // As the documentation says: the new server can neither make such a column nor read what is in it.
        await admin.query(`ALTER TABLE socket_io_attachments ALTER payload SET COMPRESSION pglz; SELECT sio_cleanup('0')`);
      }
      await old.stop();

      // A server of 18 has checksums unless told otherwise, one of before only if told; pg_upgrade wants both to be alike.
      const initdbArgs = Number(newer) >= 18 && Number(older) < 18 ? ['--no-data-checksums'] : [];
      const conf = { ...PRELOAD, 'socketio_emitter.restart_delay': '3s' };
      const upgraded = kept(await upgradePostgres(old, { name: 'upgrade-new', bin: newBin, initdbArgs, conf }));
      const listener = await listen(upgraded);
      const boss = await upgraded.connect();
      assert.match((await boss.query('SELECT version() AS v')).rows[0].v, new RegExp(`^PostgreSQL ${newer}\\b`));
      await untilWorker(boss);
      await delivered(boss);
      assert.deepEqual(await numbers(listener), upTo(MESSAGES));

      // Nothing comes again later, and all of it goes on.
      const session = await queueing(upgraded);
      await session.query(`${numbered(1)}; ${numberedBinary(2)}`);
      await boss.query('INSERT INTO orders VALUES (7)');
      await delivered(boss);
      const after = await events(listener);
      assert.deepEqual(after.map(([event]) => event).sort(), ['e', 'e', 'orders:insert']);
      assert.deepEqual(after.find(([event]) => event === 'orders:insert')[1], { id: 7 });
      assert.equal((await status(boss)).failed, '1');
      await boss.query('SELECT sio_discard()');
      await refused(boss, 'DROP FUNCTION room_of', '2BP01');
    });
  }
});
