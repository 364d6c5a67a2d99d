// node try-compose.mjs COMPOSE.json BINDIR: what compose.yaml says, without Docker.
//
// Starts its Postgres and the demo as processes of one machine: with its commands, environment and initial SQL, in its order. Only
// addresses differ: the host `postgres` is 127.0.0.1, and the demo listens on the port that it would publish. Then a row is inserted as the
// page does it, and a client of each of the two Socket.IO servers has to receive the event. It runs where Postgres with the extension, and
// the demo, are installed.
import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const [composeFile, bindir] = process.argv.slice(2);
const { services: { postgres, ...others } } = JSON.parse(readFileSync(composeFile, 'utf8'));
const home = mkdtempSync('/tmp/compose.'); // the path of a socket may have 107 bytes only
const data = path.join(home, 'data');
const databasePort = '15432';
const demo = mount(postgres.working_dir);
const running = [];

/** The file or folder of this machine that a path in the container of Postgres stands for. */
function mount(target) {
  for (const volume of postgres.volumes) {
    const [source, place] = typeof volume === 'string' ? volume.split(':') : [volume.source, volume.target];
    if (place === target) return source;
  }
  throw new Error(`nothing is mounted at ${target}`);
}

const run = (program, args, options) => execFileSync(path.join(bindir, program), args, { encoding: 'utf8', ...options });
const psql = (...args) =>
  run('psql', ['--no-psqlrc', '-qAt', '-v', 'ON_ERROR_STOP=1', '-h', home, '-p', databasePort, '-U', 'postgres', ...args], { cwd: demo });

async function until(what, condition) {
  for (let tries = 0; tries < 300; tries++) {
    const result = await condition();
    if (result) return result;
    await sleep(100);
  }
  throw new Error(`in vain: ${what}`);
}

function startPostgres() {
  const [program, ...options] = postgres.command;
  assert.equal(program, 'postgres');
  run('initdb', ['--pgdata', data, '--username=postgres', `--auth=${postgres.environment.POSTGRES_HOST_AUTH_METHOD}`, '--no-sync']);
  appendFileSync(path.join(data, 'postgresql.conf'), `port = ${databasePort}\nunix_socket_directories = '${home}'\n`);
  run('pg_ctl', ['start', '--wait', '--pgdata', data, '--log', path.join(home, 'log'), '--options', options.join(' ')], { stdio: 'ignore' });
  const database = postgres.environment.POSTGRES_DB;
  psql('-d', 'postgres', '-c', `CREATE DATABASE ${database}`);
  const scripts = postgres.volumes.map((volume) => (typeof volume === 'string' ? volume.split(':')[1] : volume.target))
    .filter((place) => place.startsWith('/docker-entrypoint-initdb.d/')).sort();
  assert.ok(scripts.length > 0);
  for (const script of scripts) psql('-d', database, '-f', mount(script));
  return database;
}

function startDemo({ environment, ports: [published] }) {
  const port = typeof published === 'string' ? published.split(':')[1] : published.published;
  const url = new URL(environment.DATABASE_URL);
  assert.equal(url.hostname, 'postgres');
  const env = { ...environment, PORT: String(port), DATABASE_URL: `postgres://${url.username}@127.0.0.1:${databasePort}${url.pathname}` };
  // As Dockerfile.demo does it, in its folder.
  running.push(spawn('node', ['show.js'], { cwd: '/demo', env: { ...process.env, ...env }, stdio: 'inherit' }));
  return `http://127.0.0.1:${port}`;
}

/** A client of customer 1 that polls: the events that have come. Socket.IO's own client is no dependency of the demo. */
async function connect(url, client) {
  const packets = [];
  const ask = async (sid, body) => {
    const response = await fetch(`${url}/socket.io/?EIO=4&transport=polling&client=${client}${sid ? `&sid=${sid}` : ''}`, body && { method: 'POST', body });
    assert.equal(response.status, 200);
    return (await response.text()).split('\x1e');
  };
  const [opening] = await ask();
  const { sid } = JSON.parse(opening.slice(1));
  await ask(sid, '40{"customer":1}');
  (async () => {
    for (;;) {
      for (const packet of await ask(sid)) {
        packets.push(packet);
        if (packet === '2') await ask(sid, '3'); // ping, pong
      }
    }
  })().catch(() => {}); // until the server ends
  await until(`${url} has accepted the client`, () => packets.some((packet) => packet.startsWith('40')));
  await ask(sid, '421["orders:list"]');
  const answer = await until(`${url} has answered the list`, () => packets.find((packet) => packet.startsWith('431')));
  const [{ snapshot, rows }] = JSON.parse(answer.slice(3));
  assert.ok(snapshot && rows.length > 0, answer);
  return packets;
}

try {
  const database = startPostgres();
  assert.deepEqual(Object.keys(others), ['demo']);
  const url = startDemo(others.demo);
  await until('both servers listen to Postgres', () =>
    psql('-d', database, '-c', `SELECT count(*) FROM pg_stat_activity WHERE query = 'LISTEN "socket.io#/"' AND state = 'idle'`).trim() === '2');
  const page = await until(`${url} has the page`, () => fetch(url).catch(() => undefined));
  assert.match(await page.text(), /<html/);
  const clients = [await connect(url, 'one'), await connect(url, 'two')];
  assert.equal(psql('-d', database, '-c', `SELECT count(DISTINCT server) FROM sio_fetch_sockets('/', '{customer:1}')`).trim(), '2');
  const headers = { 'Content-Type': 'application/json' };
  const body = JSON.stringify({ sql: `INSERT INTO orders (customer_id, item) VALUES (1, 'a book')`, run: 'x' });
  const answer = await (await fetch(`${url}/show/run`, { method: 'POST', headers, body })).json();
  assert.equal(answer.commands?.[0]?.count, 1, JSON.stringify(answer));
  for (const [number, packets] of clients.entries()) {
    await until('the event has arrived', () => packets.some((packet) => packet.includes('"order:insert"') && packet.includes('a book')));
    console.log(`ok - client ${number + 1} of ${url} received order:insert`);
  }
  assert.equal(psql('-d', database, '-c', 'SHOW shared_preload_libraries').trim(), 'socketio_emitter');
  console.log('ok - the library is preloaded');
} finally {
  for (const demo of running) demo.kill();
  // Nothing here may take the place of the error that led here.
  if (existsSync(path.join(data, 'postmaster.pid'))) spawnSync(path.join(bindir, 'pg_ctl'), ['stop', '--pgdata', data, '--mode=immediate']);
  rmSync(home, { recursive: true, force: true });
}
process.exit();
