// Queued delivery: what commits cost beside each other, how late events come, how fast a backlog goes. Each event is
// counted at a listener, which shares the processors with all else.
import { countNotifications } from '../harness/counter.js';
import { startPostgres } from '../harness/postgres.js';
import { benchBacklog } from './queue-backlog.js';
import { benchLatency } from './queue-latency.js';
import { benchSnapshot } from './queue-snapshot.js';
import { benchThroughput } from './queue-throughput.js';
import { benchWork } from './queue-work.js';

/** A server with the worker, that flushes as one in production does, and with memory for the largest backlog. */
async function startQueueing(conf = {}) {
  const cluster = await startPostgres({
    name: 'bench-queue',
    conf: {
      shared_preload_libraries: 'socketio_emitter', 'socketio_emitter.restart_delay': 0, max_connections: 200,
      fsync: 'on', full_page_writes: 'on', max_wal_size: '8GB', shared_buffers: '2GB', ...conf,
    },
  });
  const client = await cluster.connect();
  await client.query('CREATE EXTENSION socketio_emitter');
  return { cluster, client };
}

export async function benchQueue({ parts = ['throughput', 'latency', 'backlog', 'work', 'snapshot'] } = {}) {
  const all = { throughput: benchThroughput, latency: benchLatency, backlog: benchBacklog, work: benchWork, snapshot: benchSnapshot };
  const met = [];
  for (const part of parts) {
    const { cluster, client } = await startQueueing(part === 'snapshot' ? { autovacuum_naptime: '10s' } : {});
    try {
      met.push(...(await all[part]({ cluster, client, count: (options) => countNotifications(cluster, options) })));
    } finally {
      await cluster.stop();
    }
  }
  return met;
}
