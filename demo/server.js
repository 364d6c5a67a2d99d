// node server.js postgres://USER@HOST:PORT/DATABASE
//
// A Socket.IO server, without a page, until Ctrl-C: on PORT, if it is given; else on 3000, or on a free port if that is taken. On
// 127.0.0.1, or on the address ADDRESS: a container's has to be reached from outside.
import { once } from 'node:events';
import { startServer } from './app.js';
import { portFrom, Refusal } from './listen.js';

try {
  const connectionString = process.argv[2] || process.env.DATABASE_URL;
  if (!connectionString) throw new Refusal('usage: node server.js postgres://USER@HOST:PORT/DATABASE');
  const server = await startServer(connectionString, { ...portFrom(process.env.PORT), host: process.env.ADDRESS || undefined });
  console.log(`a Socket.IO server, until Ctrl-C:  ${server.url}`);
  await Promise.race(['SIGINT', 'SIGTERM', 'SIGHUP'].map((signal) => once(process, signal)));
  await server.close();
} catch (error) {
  if (!(error instanceof Refusal)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
