// Functions of the row that do what they like: whose rights they have, what becomes of their errors, and that nothing of
// theirs outlives them.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { startLive } from '../../harness/live.js';
import { refused } from '../../harness/refusals.js';
import { createRoles } from '../../harness/roles.js';
import { until } from '../../harness/wait.js';

const ITEMS = 'CREATE TABLE items (id int PRIMARY KEY, name text); GRANT USAGE ON SCHEMA shop TO clerk, other; GRANT ALL ON items TO clerk, other;';

for (const level of ['row', 'statement']) {
  describe(`a function of the row at ${level} level`, () => {
    let live;

    before(async () => {
      live = await startLive({ name: `live-function-hazards-${level}`, clients: { staff: ['staff'] } });
      await createRoles(live.admin, 'clerk', 'other');
    });

    after(async () => live?.close());
    beforeEach(async () => live.reset());

    /** f(items), in PL/pgSQL unless told, which the watch calls for its room. */
    async function watch(body, { returns = 'text', language = 'plpgsql', more = '', parameters = `rooms => ARRAY['\${f()}'], columns => '{id}'` } = {}) {
      await live.app.query(`${ITEMS} CREATE FUNCTION f(i items) RETURNS ${returns} LANGUAGE ${language} ${more} AS $f$ ${body} $f$`);
      await live.watch(`level => '${level}', ${parameters}`, 'items');
    }

    const rooms = async () => (await live.sent()).map((message) => message.rooms).flat();

    it('has the rights of who changes the table, whoever that is', async () => {
      await watch('BEGIN RETURN current_user; END');
      await live.as('clerk', (clerk) => clerk.query('INSERT INTO shop.items VALUES (1)'));
      // Of one session, too, whose plans were made for another role.
      await live.as('postgres', (session) => session.query(`INSERT INTO shop.items VALUES (2); SET ROLE clerk; INSERT INTO shop.items VALUES (3);
        SET ROLE other; INSERT INTO shop.items VALUES (4)`));
      assert.deepEqual(await rooms(), ['clerk', 'postgres', 'clerk', 'other']);
    });

    for (const [language, body] of [['plpgsql', 'BEGIN RETURN i.name; END'], ['sql', 'SELECT i.name']]) {
      it(`in ${language} needs EXECUTE of who changes the table`, async () => {
        await watch(body, { language, more: 'IMMUTABLE' });
        await live.app.query('REVOKE EXECUTE ON FUNCTION f(items) FROM PUBLIC; GRANT EXECUTE ON FUNCTION f(items) TO other');
        await live.as('postgres', async (session) => {
          await session.query(`INSERT INTO shop.items VALUES (1, 'a'); SET ROLE clerk`);
          await refused(session, `INSERT INTO shop.items VALUES (2, 'b')`, '42501', { says: 'permission denied for function f' });
          await session.query(`SET ROLE other; INSERT INTO shop.items VALUES (3, 'c')`);
        });
        assert.deepEqual(await rooms(), ['a', 'c']);
      });
    }

    it('has those of its owner with SECURITY DEFINER', async () => {
      await watch('BEGIN RETURN current_user; END', { more: 'SECURITY DEFINER' });
      await live.as('clerk', (clerk) => clerk.query('INSERT INTO shop.items VALUES (1)'));
      assert.deepEqual(await rooms(), ['app']);
    });

    it('that raises makes the change fail, as it was raised, and nothing else', async () => {
      await watch(`BEGIN IF i.id = 2 THEN RAISE 'café %', i.id USING ERRCODE = 'SH001', DETAIL = 'the detail', HINT = 'the hint'; END IF; RETURN 'r'; END`);
      await live.app.query('BEGIN; INSERT INTO items VALUES (1); SAVEPOINT s');
      await assert.rejects(live.app.query('INSERT INTO items VALUES (3), (2)'), ({ code, message, detail, hint }) =>
        code === 'SH001' && message === 'café 2' && detail === 'the detail' && hint === 'the hint');
      await live.app.query('ROLLBACK TO s; INSERT INTO items VALUES (4); COMMIT');
      await live.app.query(`DO $$ BEGIN INSERT INTO items VALUES (2); EXCEPTION WHEN SQLSTATE 'SH001' THEN INSERT INTO items VALUES (5); END $$`);
      assert.deepEqual((await live.sent()).flatMap(({ args: [rows] }) => rows).map(({ id }) => id), [1, 4, 5]);
    });

    it('may change its table, and others that are watched', async () => {
      await watch(`BEGIN IF i.id < 4 THEN INSERT INTO items VALUES (i.id + 1); END IF; RETURN 'of ' || i.id; END`);
      await live.app.query('INSERT INTO items VALUES (1)');
      assert.deepEqual((await rooms()).sort(), ['of 1', 'of 2', 'of 3', 'of 4']);
    });

    it('may replace itself, and not drop itself', async () => {
      await watch(`BEGIN IF i.id = 2 THEN
        CREATE OR REPLACE FUNCTION f(i items) RETURNS text LANGUAGE sql AS 'SELECT ''other'''; END IF; RETURN 'first'; END`);
      await live.app.query('INSERT INTO items VALUES (1), (2); INSERT INTO items VALUES (3)');
      const sent = await rooms();
      assert.deepEqual([sent[0], sent.at(-1)], ['first', 'other']);
      await live.app.query(`CREATE OR REPLACE FUNCTION f(i items) RETURNS text LANGUAGE plpgsql AS 'BEGIN DROP FUNCTION f(items); RETURN ''last''; END'`);
      await refused(live.app, 'INSERT INTO items VALUES (4)', '2BP01', { says: 'function f' });
      await live.app.query(`CREATE OR REPLACE FUNCTION f(i items) RETURNS text LANGUAGE sql AS $$SELECT 'last'$$; INSERT INTO items VALUES (5)`);
      assert.deepEqual(await rooms(), ['last']);
    });

    it('may not alter the table that is being changed, as no trigger may', async () => {
      await watch(`BEGIN ALTER TABLE items ADD more int; RETURN 'r'; END`);
      await refused(live.app, 'INSERT INTO items VALUES (1)', '55006');
      await live.app.query(`CREATE OR REPLACE FUNCTION f(i items) RETURNS text LANGUAGE sql AS 'SELECT ''fine'''; INSERT INTO items VALUES (1)`);
      assert.deepEqual(await rooms(), ['fine']);
    });

    it('that doesn\'t end can be cancelled, and one that calls itself without end fails', async () => {
      await watch(`BEGIN PERFORM pg_advisory_lock(7); RETURN 'r'; END`);
      const { rows: [{ pid }] } = await live.app.query('SELECT pg_backend_pid() AS pid');
      await live.admin.query('SELECT pg_advisory_lock(7)');
      const insert = live.app.query('INSERT INTO items VALUES (1)').then(() => 'it ended', ({ code }) => code);
      await until('it waits', async () => (await live.admin.query('SELECT wait_event_type AS type FROM pg_stat_activity WHERE pid = $1', [pid])).rows[0].type === 'Lock');
      await live.admin.query('SELECT pg_cancel_backend($1), pg_advisory_unlock(7)', [pid]);
      assert.equal(await insert, '57014');
      await live.app.query(`CREATE OR REPLACE FUNCTION f(i items) RETURNS text LANGUAGE plpgsql AS 'BEGIN RETURN f(i); END'`);
      await refused(live.app, 'INSERT INTO items VALUES (1)', '54001');
      await live.app.query(`CREATE OR REPLACE FUNCTION f(i items) RETURNS text LANGUAGE plpgsql AS 'BEGIN INSERT INTO items VALUES (i.id + 1); RETURN 1; END'`);
      await refused(live.app, 'INSERT INTO items VALUES (1)', '54001');
      assert.deepEqual(await rooms(), []);
    });

    it('in a filter, that raises or that changes the table, leaves the session whole', async () => {
      await watch(`BEGIN IF i.id = 13 THEN RAISE division_by_zero; END IF; IF i.id = 1 THEN INSERT INTO items VALUES (2) ON CONFLICT DO NOTHING; END IF; RETURN i.id <> 2; END`,
        { returns: 'boolean', parameters: `rooms => '{staff}', columns => '{id}', filter => 'f(new)', left_event => 'left'` });
      await live.app.query('INSERT INTO items VALUES (1)');
      await refused(live.app, 'INSERT INTO items VALUES (13)', '22012');
      await refused(live.app, 'UPDATE items SET id = 13 WHERE id = 2', '22012');
      await live.app.query('UPDATE items SET id = id + 20; DELETE FROM items');
      const events = (await live.sent()).flatMap(({ event, args: [rows] }) => [rows].flat().map(({ id }) => `${event} ${id}`));
      assert.deepEqual(events.sort(), ['items:delete 21', 'items:delete 22', 'items:insert 1', 'items:update 21', 'items:update 22']);
    });

    it('that changes settings and roles changes them for itself', async () => {
      await watch(`BEGIN SET LOCAL search_path = pg_temp; PERFORM set_config('role', 'none', true); RETURN 'r'; END`);
      await live.app.query('INSERT INTO items VALUES (1), (2)');
      await live.app.query('INSERT INTO items VALUES (3)');
      assert.equal((await live.sent()).flatMap(({ args: [rows] }) => rows).length, 3);
    });

    it('works in a table of large rows, of any type that it returns', async () => {
      for (const [type, value, expected] of [['int', '7', '7'], ['bigint', '9007199254740993', '9007199254740993'], ['boolean', 'true', 'true'], ['numeric', '1.50', '1.50'],
        ['uuid', `'00000000-0000-0000-0000-000000000001'`, '00000000-0000-0000-0000-000000000001'], ['date', `'2026-01-02'`, '2026-01-02'], ['interval', `'1 day'`, '1 day'],
        ['name', `'n'`, 'n'], ['char(5)', `'ab'`, 'ab'], ['"char"', `'c'`, 'c'], ['inet', `'10.0.0.1'`, '10.0.0.1/32']]) {
        await live.reset();
        await watch(`SELECT ${value}::${type}`, { returns: type, language: 'sql', parameters: `rooms => ARRAY['\${f()}'], columns => '{id,f()}'` });
        await live.app.query(`INSERT INTO items SELECT i, repeat('x', 3000) FROM generate_series(1, 2) i`);
        const sent = await live.sent();
        assert.deepEqual(sent[0].rooms, [expected], type);
        const { rows: [{ json }] } = await live.app.query(`SELECT to_jsonb(${value}::${type}) AS json`);
        assert.deepEqual(sent.flatMap(({ args: [rows] }) => rows).map(({ f }) => f), [json, json], type);
      }
    });
  });
}
