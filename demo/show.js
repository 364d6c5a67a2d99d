// node show.js postgres://USER@HOST:PORT/DATABASE
//
// The demo's page, with two Socket.IO servers behind it, until Ctrl-C: on PORT, if it is given; else on 3000, or on a free port if that
// is taken. On 127.0.0.1, or on the address ADDRESS: a container's has to be reached from outside.
import { once } from 'node:events';
import { portFrom, Refusal } from './listen.js';
import { startShow } from './show/start.js';

try {
  const connectionString = process.argv[2] || process.env.DATABASE_URL;
  if (!connectionString) throw new Refusal('usage: node show.js postgres://USER@HOST:PORT/DATABASE');
  const show = await startShow(connectionString, { ...portFrom(process.env.PORT), host: process.env.ADDRESS || undefined });
  console.log(`serving until Ctrl-C. Open  ${show.url}`);
  await Promise.race(['SIGINT', 'SIGTERM', 'SIGHUP'].map((signal) => once(process, signal)));
  await show.close();
} catch (error) {
  if (!(error instanceof Refusal)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
