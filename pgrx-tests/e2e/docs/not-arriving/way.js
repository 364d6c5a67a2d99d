// The four places that an event passes, as the page looks at each.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { askedAgain } from '../../../harness/asking.js';
import { startAdapterServer, untilHearing } from '../../../harness/bare-server.js';
import { connectClient } from '../../../harness/clients.js';
import { evaluate } from '../../../harness/page.js';
import { SERVERS_ROLE } from '../../../harness/roles.js';
import { closeAll } from '../../../harness/servers.js';
import { until } from '../../../harness/wait.js';

export function theWay(context) {
  const { page } = context;
  describe('follows an event', () => {
    let server, client, postgres, admin;
    const logged = [];
    const console = { log: (...args) => logged.push(args), error: (...args) => logged.push(args) };

    before(async () => {
      ({ postgres, admin } = context);
      const doctor = page.next('sql', 'sio_doctor()');
      assert.deepEqual((await admin.query(doctor)).rows.map(({ check }) => check), ['servers']);
      const code = page.next('js', 'errorHandler');
      const connection = { connectionString: postgres.url({ user: SERVERS_ROLE }), max: 2 };
      server = await startAdapterServer({ connection, setUp: (bindings) => evaluate(code, { ...bindings, console }) });
      await untilHearing(admin, server);
      await askedAgain(async () => assert.deepEqual((await admin.query(doctor)).rows, []));
      client = await connectClient(server, { rooms: ['customer:1'] });
    });

    after(() => closeAll([client, server].filter(Boolean)));

    it('out of Postgres, where psql shows it', async () => {
      const sql = page.next('sql', 'LISTEN');
      const { code, stdout, stderr } = await postgres.psql(sql);
      assert.equal(code, 0, stderr);
      const shown = /`(Asynchronous notification [^…]+)…/.exec(page.text)[1];
      assert.ok(stdout.includes(shown), stdout);
      assert.deepEqual(await client.take(1), [['order:paid', { id: 1 }]]);
      // And none that another psql would have sent.
      assert.equal(stdout.match(/Asynchronous/g).length, 1);
    });

    it('to the servers', async () => {
      const sql = page.next('sql', 'sio_servers');
      await askedAgain(async () => assert.deepEqual((await admin.query(sql)).rows, [{ uid: server.io.of('/').adapter.uid }]));
    });

    it('into the room', async () => {
      const sql = page.next('sql', 'sio_fetch_sockets');
      await askedAgain(async () => assert.deepEqual((await admin.query(sql)).rows, [{ id: client.id, rooms: [client.id, 'customer:1'] }]));
      const { rows } = await admin.query(sql.replace('customer:1', 'customer:2'));
      assert.deepEqual(rows, []);
    });

    it('to the client, which logs it', async () => {
      await evaluate(page.next('js', 'onAny'), { socket: client.socket, console });
      await admin.query(`SELECT sio_emit('/', '{customer:1}', 'order:paid', '{"id": 2}')`);
      await until('it is logged', () => logged.length > 0);
      assert.deepEqual(logged.splice(0), [['order:paid', { id: 2 }]]);
    });

    it('or to what fails in a server, which it says', async () => {
      await admin.query('ALTER TABLE socket_io_attachments RENAME TO elsewhere');
      await admin.query(`SELECT pg_notify('socket.io#/', '{"uid":"emitter","type":3,"attachmentId":"1"}')`);
      await until('it is logged', () => logged.length > 0);
      assert.deepEqual(logged.splice(0), [['adapter:', 'relation "socket_io_attachments" does not exist']]);
      await admin.query('ALTER TABLE elsewhere RENAME TO socket_io_attachments');
    });
  });
}
