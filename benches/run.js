// `make bench`: each claim of speed is a ratio measured here, in one run. Exits non-zero if a target isn't met.
import { startPostgres } from '../harness/postgres.js';
import { benchAttachments } from './attachments.js';
import { benchEncode } from './encode.js';
import { describeMachine } from './measure.js';
import { benchOfficial } from './official.js';
import { benchTriggers } from './triggers.js';

// As on a server: with fsync.
const cluster = await startPostgres({ name: 'bench', conf: { fsync: 'on', full_page_writes: 'on', max_wal_size: '4GB' } });
try {
  const client = await cluster.connect();
  await client.query('CREATE EXTENSION socketio_emitter');
  await describeMachine(client);
  const met = [
    ...(await benchEncode(client)),
    ...(await benchAttachments(client)),
    ...(await benchTriggers(cluster)),
  ];
  await benchOfficial(cluster);
  process.exitCode = met.every(Boolean) ? 0 : 1;
} finally {
  await cluster.stop();
}
