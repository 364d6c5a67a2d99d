// Load from Postgres's own pgbench.
import path from 'node:path';
import { capture } from './processes.js';
import { PG_BIN } from './setup.js';

/** Settings of its sessions. */
export const QUEUE = { 'socketio_emitter.delivery': 'queue' };
export const NOTIFY = { 'socketio_emitter.delivery': 'notify' };

/**
 * Runs a script of one transaction, again and again. `settings`: for its sessions. `rate`: transactions per second in
 * all, else as many as there can be. → { transactions, rate }, none of them failed.
 */
export async function pgbench(cluster, { script, clients, seconds, settings = {}, rate }) {
  const args = [
    '--no-vacuum', '--file=-', '--protocol=prepared', `--client=${clients}`, `--jobs=${Math.min(clients, 2)}`, `--time=${seconds}`,
    ...(rate ? [`--rate=${rate}`] : []), '--host', cluster.host, '--port', String(cluster.port), '--username=postgres', 'postgres',
  ];
  const options = Object.entries(settings).map(([name, value]) => `-c ${name}=${value}`).join(' ');
  const env = { PATH: process.env.PATH, PGOPTIONS: options };
  const { code, stdout, stderr } = await capture(path.join(PG_BIN, 'pgbench'), args, { env, input: script });
  const number = (pattern) => Number(pattern.exec(stdout)?.[1]);
  const transactions = number(/number of transactions actually processed: (\d+)/);
  const failed = number(/number of failed transactions: (\d+)/);
  if (code !== 0 || failed !== 0 || !(transactions > 0)) throw new Error(`pgbench: ${code}\n${stdout}${stderr}`);
  return { transactions, rate: number(/tps = ([\d.]+)/) };
}
