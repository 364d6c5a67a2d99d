// docs/asking.md: its SQL runs, and so does the presence that it links to, of several servers, with the handler that it asks for and pg_cron.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { askedAgain } from '../../harness/asking.js';
import { runSql } from '../../harness/blocks.js';
import { connectClient } from '../../harness/clients.js';
import { lacks } from '../../harness/features.js';
import { openPage } from '../../harness/page.js';
import { startPostgres } from '../../harness/postgres.js';
import { prepareDatabase } from '../../harness/roles.js';
import { closeAll, startServers } from '../../harness/servers.js';
import { until } from '../../harness/wait.js';

const page = openPage('docs/asking.md');
const recipes = openPage('docs/recipes.md');
const presence = recipes.take('js', 'presence');
const table = recipes.take('sql', 'CREATE TABLE online');
const byCron = recipes.take('sql', 'who is online');

describe('docs/asking.md', () => {
  let postgres, admin, servers, clients;

  before(async () => {
    const withoutCron = lacks('pg_cron');
    const conf = withoutCron ? {} : { shared_preload_libraries: 'pg_cron', 'cron.database_name': 'postgres' };
    postgres = await startPostgres({ name: 'docs-asking', conf });
    admin = await prepareDatabase(postgres);
    servers = await startServers(postgres);
    const handler = new Function('io', presence);
    for (const server of servers) handler(server.io);
    clients = await Promise.all([0, 1, 2, 0].map((i) => connectClient(servers[i])));
    for (const [i, client] of clients.entries()) {
      const server = servers[[0, 1, 2, 0][i]];
      server.io.of('/').sockets.get(client.id).data.userId = [7, 8, 8, 9][i];
    }
    await runSql(postgres, withoutCron ? table : `CREATE EXTENSION pg_cron; ${table} ${byCron}`);
  });

  after(async () => {
    await closeAll(clients ?? [], servers ?? []);
    await postgres?.stop();
  });

  // The procedure doesn't say how many servers there are, as the page has it.
  const refreshed = (...users) => askedAgain(async () => {
    await admin.query('CALL refresh_online()');
    assert.deepEqual(await online(), users);
  });

  const online = async () => (await admin.query('SELECT user_id::int FROM online ORDER BY 1')).rows.map(({ user_id: id }) => id);

  it('has presence that is in the table after a call', () => refreshed(7, 8, 9));

  it('has presence that stays as it is when a server doesn\'t answer', async () => {
    await clients[3].close();
    servers[1].io.removeAllListeners('presence');
    await askedAgain(async () => {
      await admin.query('DELETE FROM online; INSERT INTO online SELECT unnest(ARRAY[7, 8, 9])'); // what was there
      await assert.rejects(() => admin.query('CALL refresh_online()'), /2 of 3 servers answered/);
      assert.deepEqual(await online(), [7, 8, 9]);
    });
    new Function('io', presence)(servers[1].io);
    await until('the client has gone', () => servers[0].io.of('/').sockets.size === 1);
    await refreshed(7, 8);
  });

  it('has presence that pg_cron refreshes', { skip: lacks('pg_cron') }, async () => {
    const { rows } = await admin.query(`SELECT jobname, command FROM cron.job`);
    assert.deepEqual(rows, [{ jobname: 'who is online', command: 'CALL refresh_online()' }]);
    await admin.query(`SELECT cron.schedule('who is online', '1 seconds', 'CALL refresh_online()'); DELETE FROM online`).catch(() => (
      // pg_cron before 1.5 knows no seconds: it comes within the minute.
      admin.query('DELETE FROM online')));
    await until('pg_cron has refreshed it', async () => (await online()).length === 2, { timeout: 90_000 });
  });

  it('has questions that the servers answer', async () => {
    for (const server of servers) server.io.on('reload', (what, answer) => answer(`${what} reloaded`));
    const questions = page.next('sql', 'sio_servers()');
    await askedAgain(async () => {
      const { stdout } = await runSql(postgres, questions);
      assert.equal(stdout.split('\n').filter((line) => line.endsWith('|"prices reloaded"')).length, 3);
      assert.equal(stdout.split('\n').filter((line) => line === 'f').length, 1); // nobody is customer 1
    });
  });

  it('has SQL that runs', async () => {
    for (const sql of page.takeAll('sql')) await runSql(postgres, sql);
    page.assertAllTaken();
  });
});
