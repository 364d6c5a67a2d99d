// Prometheus and the exporter of its metrics, as scripts/setup unpacked them or as the machine has them.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { freePort } from './postgres.js';
import { onExit } from './processes.js';
import { fromRoot } from './setup.js';
import { until, within } from './wait.js';

const HOST = '127.0.0.1';

/** The path of a program of Prometheus's; undefined if it isn't there. */
export function monitoringProgram(name) {
  return [fromRoot('.work/monitoring'), ...process.env.PATH.split(path.delimiter)].map((folder) => path.join(folder, name)).find(existsSync);
}

/** The exporter with that configuration. `env`: of its process. `metric(col)`: the value of sql_socketio_emitter, as text. */
export async function startExporter(config, env) {
  const port = await freePort();
  const server = await start('prometheus-sql-exporter', ['-config.file', config, '-web.listen-address', `${HOST}:${port}`], env, `http://${HOST}:${port}/healthz`);
  const metrics = async () => (await fetch(`http://${HOST}:${port}/metrics`)).text();
  return {
    ...server, port, metrics,
    metric: async (col) => new RegExp(`^sql_socketio_emitter\\{col="${col}",[^}]*\\} (\\S+)$`, 'm').exec(await metrics())?.[1],
  };
}

/** Prometheus with that configuration, its data in `folder`. `query(expression)`: what its API says of it now. */
export async function startPrometheus(config, folder) {
  const port = await freePort();
  const url = `http://${HOST}:${port}`;
  const server = await start('prometheus', [
    '--config.file', config, '--storage.tsdb.path', folder, '--web.listen-address', `${HOST}:${port}`, '--log.level=warn',
  ], {}, `${url}/-/ready`);
  const api = async (what) => (await (await fetch(`${url}/api/v1/${what}`)).json());
  return { ...server, api, query: (expression) => api(`query?query=${encodeURIComponent(expression)}`) };
}

async function start(name, args, env, ready) {
  const child = spawn(monitoringProgram(name), args, { env: { PATH: process.env.PATH, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let log = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => { log += chunk; });
  const forget = onExit(() => child.kill('SIGKILL'));
  await until(`${name} answers`, async () => {
    if (child.exitCode !== null) throw new Error(`${name} ended instead of starting: ${log}`);
    return fetch(ready).then((response) => response.ok, () => false);
  });
  return {
    log: () => log,
    async close() {
      const gone = once(child, 'exit');
      child.kill('SIGTERM');
      await within(`${name} ended`, gone);
      forget();
    },
  };
}
