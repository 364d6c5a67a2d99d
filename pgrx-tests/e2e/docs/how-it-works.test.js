// docs/how-it-works.md shows what it says by SQL: it runs in the order of the page, in as many sessions, and prints what the page prints.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { blocksOf, openPage } from '../../harness/page.js';
import { delivered, names, startQueue, untilWorker } from '../../harness/queue.js';
import { fromRoot } from '../../harness/setup.js';
import { until } from '../../harness/wait.js';

const page = openPage('docs/how-it-works.md');
const printed = (words) => {
  const found = blocksOf(page.text).filter(({ language, text }) => language === 'text' && text.includes(words));
  assert.equal(found.length, 1, words);
  return found[0].text;
};

describe('docs/how-it-works.md', () => {
  let postgres, admin, listener;

  before(async () => {
    ({ postgres, admin, listener } = await startQueue({ name: 'how-it-works' }));
    await untilWorker(admin);
    await admin.query(page.next('sql', 'CREATE TABLE'));
  });

  after(() => postgres?.stop());

  const look = (sql) => admin.query(sql).then(({ rows }) => rows);
  const psql = async (sql) => {
    const { code, stdout, stderr } = await postgres.psql(sql, { args: ['--pset=footer=off'] });
    assert.equal(code, 0, stderr);
    return stdout.split('\n').map((line) => line.trimEnd()).filter(Boolean);
  };

  it('prints the message that sio_encode returns, which is what is sent', async () => {
    const [{ channel, message }] = await look(page.next('sql', 'sio_encode'));
    assert.equal(channel, 'socket.io#/');
    assert.deepEqual(message, JSON.parse(printed('"uid": "emitter"')));
    const emit = `sio_emit('/', '{customer:1}', 'order:insert', '{"id": 7}')`;
    await admin.query(`SELECT ${emit}, ${emit}`);
    assert.deepEqual(await listener.messages(), [message, { ...message, n: 1 }], 'two equal emits are two');
    const [{ bytes, attachment }] = await look(page.next('sql', 'binaries'));
    assert.ok(attachment && bytes > 50 && bytes < 200, `${bytes} bytes`);
  });

  it('shows the lock on database 0: one commit holds it while it waits for its flush, the next waits for that', async () => {
    await psql(page.next('sql', 'nobody'));
    await psql('CHECKPOINT'); // commits wait once the checkpointer has read the setting, which it does before
    const hello = page.next('sql', 'COMMIT; -- does not return');
    const waiting = page.next('sql', 'pg_locks');
    const commit = async (delivery) => {
      const sessions = await Promise.all([1, 2].map(() => postgres.connect({ options: `-c socketio_emitter.delivery=${delivery}` })));
      return { sessions, done: Promise.all(sessions.map((session) => session.query(hello))) };
    };
    const notify = await commit('notify');
    await until('both wait', async () => (await psql(waiting)).length === 4);
    assert.equal((await psql(waiting)).join('\n'), printed('AccessExclusiveLock').trimEnd());
    const queue = await commit('queue');
    const alike = `SELECT FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND backend_type = 'client backend'`;
    await until('those that queue wait for the standby, and not for each other', async () => (await look(alike)).length === 3);
    assert.equal((await look(waiting)).length, 2, 'and do not have the lock');
    await psql(page.next('sql', 'RESET synchronous_standby_names'));
    for (const { done, sessions } of [notify, queue]) {
      await done;
      await Promise.all(sessions.map((session) => session.end()));
    }
    await delivered(admin);
    assert.deepEqual(await names(listener), Array(4).fill('hello'));
  });

  it('shows a message as a row of the queue', async () => {
    const results = await admin.query(page.next('sql', '_sio.queue'));
    const { rows: [row] } = results.find(({ rows }) => rows[0]?.channel);
    assert.deepEqual([row.channel, JSON.parse(row.message).data.packet.data], ['socket.io#/', ['order:insert', { id: 7 }]]);
  });

  it('sends what was emitted first and committed last, although a higher number has gone out', async () => {
    const [first, second] = [await postgres.connect(), await postgres.connect()];
    await first.query(page.next('sql', `'first'`));
    await second.query(page.next('sql', `'second'`));
    await delivered(admin);
    assert.deepEqual(await names(listener), ['second']);
    await first.query(page.next('sql', 'COMMIT'));
    await delivered(admin);
    assert.deepEqual(await names(listener), ['first']);
    await Promise.all([first, second].map((session) => session.end()));
  });

  it('shows where a watch keeps what was declared', async () => {
    const results = await admin.query(page.next('sql', 'sio_watch'));
    const triggers = results.at(-1).rows;
    assert.ok(triggers.length >= 1);
    for (const { encode } of triggers) assert.match(encode, /customer:\$customer_id/);
    page.assertAllTaken();
  });

  it('draws with pictures that are well-formed, and follow light and dark', () => {
    const svg = readFileSync(fromRoot('docs/commit-flushes.svg'), 'utf8');
    assert.ok(page.text.includes('(commit-flushes.svg)') && svg.includes('prefers-color-scheme: dark'));
  });
});
