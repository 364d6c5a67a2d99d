// `make bench`: each claim of speed is a ratio measured here, in one run. Exits non-zero if a target isn't met.
// `node benches/run.js sessions`, or `questions`, or `queue`, or `watches`, `schema`, `throughput`, `latency`, `backlog`, `work`, `snapshot`: that part alone.
import { startPostgres } from '../harness/postgres.js';
import { benchAttachments } from './attachments.js';
import { benchEncode } from './encode.js';
import { describeMachine } from './measure.js';
import { benchOfficial } from './official.js';
import { benchQuestions } from './questions.js';
import { benchQueue } from './queue.js';
import { benchSchema } from './schema.js';
import { benchTriggers } from './triggers.js';
import { benchWatches } from './watches.js';

const QUEUE_PARTS = ['throughput', 'latency', 'backlog', 'work', 'snapshot'];
const wanted = process.argv.slice(2);
const unknown = wanted.filter((part) => !['sessions', 'questions', 'watches', 'schema', 'queue', ...QUEUE_PARTS].includes(part));
if (unknown.length > 0) throw new Error(`no such part: ${unknown.join(', ')}; there are sessions, questions, watches, schema, queue, ${QUEUE_PARTS.join(', ')}`);
const queueParts = wanted.length === 0 || wanted.includes('queue') ? QUEUE_PARTS : QUEUE_PARTS.filter((part) => wanted.includes(part));

const wantsSessions = wanted.length === 0 || wanted.includes('sessions');
const wantsWatches = wantsSessions || wanted.includes('watches');
const wantsSchema = wantsSessions || wanted.includes('schema');
const met = [
  ...(wantsWatches || wantsSchema ? await benchSessions() : []),
  ...(wanted.length === 0 || wanted.includes('questions') ? await benchQuestions() : []),
  ...(queueParts.length > 0 ? await benchQueue({ parts: queueParts }) : []),
];
process.exitCode = met.every(Boolean) ? 0 : 1;

/** What a session's calls and triggers cost. */
async function benchSessions() {
  // As on a server: with fsync.
  const cluster = await startPostgres({ name: 'bench', conf: { fsync: 'on', full_page_writes: 'on', max_wal_size: '4GB' } });
  try {
    const client = await cluster.connect();
    await client.query('CREATE EXTENSION socketio_emitter');
    await describeMachine(client);
    const results = [...(wantsWatches ? await benchWatches(cluster) : []), ...(wantsSchema ? await benchSchema(cluster) : [])];
    if (!wantsSessions) return results;
    results.push(
      ...(await benchEncode(client)),
      ...(await benchAttachments(client)),
      ...(await benchTriggers(cluster)),
    );
    await benchOfficial(cluster);
    return results;
  } finally {
    await cluster.stop();
  }
}
