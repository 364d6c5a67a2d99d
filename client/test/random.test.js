// Whatever happens in the table and on the way: in the end, the list has the table's rows. RUNS=100000 for longer, SEED=… again.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { follow } from '../follow.js';
import { FakeClock, FakeSocket, settled } from './support.js';
import { KEYS, World } from './world.js';

const RUNS = Number(process.env.RUNS ?? 2_000);
const SEED = process.env.SEED && Number(process.env.SEED);

const number = fc.nat(99);
const key = fc.nat(KEYS - 1);
const row = fc.record({ key, room: fc.constantFrom('a', 'a', 'b'), isDelete: fc.boolean(), to: fc.option(key, { nil: undefined }) });
const statement = fc.oneof(
  { weight: 9, arbitrary: fc.record({ rows: fc.array(row, { minLength: 1, maxLength: 3 }) }) },
  { weight: 1, arbitrary: fc.constant({ truncates: true }) },
);
const step = (kind, arbitrary = number) => fc.tuple(fc.constant(kind), arbitrary);
const steps = fc.array(fc.oneof(
  { weight: 2, arbitrary: step('begin') },
  { weight: 6, arbitrary: step('write', fc.tuple(number, statement)) },
  { weight: 1, arbitrary: step('rollbackTo', fc.tuple(number, number)) },
  { weight: 3, arbitrary: step('end', fc.tuple(number, fc.nat(4))) },
  { weight: 6, arbitrary: step('deliver') },
  { weight: 3, arbitrary: step('serve') },
  { weight: 3, arbitrary: step('answer', fc.tuple(number, fc.nat(9))) },
  { weight: 1, arbitrary: step('disconnect') },
  { weight: 2, arbitrary: step('connect') },
  { weight: 1, arbitrary: step('wait') },
), { maxLength: 80, size: 'max' });

/** Does a step in the world, as far as there is something to do it to. */
const doing = {
  begin: (world) => world.transactions.length < 3 && world.begin(),
  write(world, [which, statement]) {
    const xid = pick(world.transactions, which) ?? world.begin();
    // A key that changes is told by changes alone.
    const rows = statement.rows?.map((each) => (world.payload === 'change' ? each : { ...each, to: undefined }));
    world.write(xid, { ...statement, rows });
  },
  rollbackTo: (world, [which, count]) => world.transactions.length > 0 && world.rollbackTo(pick(world.transactions, which), count),
  end: (world, [which, commits]) => world.transactions.length > 0 && world.end(pick(world.transactions, which), commits > 0),
  deliver: (world, which) => world.deliver(which),
  serve: (world) => world.serve(),
  answer: (world, [which, fails]) => world.answer(which, fails === 0),
  disconnect: (world) => world.disconnect(),
  connect: (world) => world.connect(),
  wait: (world, _, clock) => clock.tick(60_000),
};

const pick = (list, which) => list[which % list.length];

/** Lets all that is under way come to its end, the latest first. */
async function rest(world, clock) {
  for (const xid of world.transactions) world.end(xid, true);
  world.connect();
  for (let quiet = 0; quiet < 2; quiet += 1) {
    while (!world.isQuiet) {
      quiet = 0;
      world.serve();
      world.answer(0, false);
      world.deliver(0);
      await settled();
    }
    clock.tick(60_000); // it may have been asked to fetch once more
    await settled();
  }
}

async function isRight(options, script) {
  const clock = new FakeClock();
  const socket = new FakeSocket();
  const world = new World(socket, options);
  const list = follow(socket, { events: 'row', fetch: world.fetch, payload: options.payload }).on('error', () => {});
  try {
    // What a list that goes by `change` alone has.
    const shown = new Map();
    list.on('change', ({ reset, set, removed }) => {
      if (reset) shown.clear();
      for (const { id } of removed) assert.ok(shown.delete(Number(id)), 'it had the row that was removed');
      for (const each of set) shown.set(Number(each.id), each.n);
      assert.deepEqual([...shown].sort(byKey), rowsOf(list));
    });
    for (const [kind, argument] of script) {
      doing[kind](world, argument, clock);
      await settled();
    }
    await rest(world, clock);
    assert.equal(list.state, 'live');
    assert.deepEqual(rowsOf(list), world.truth());
  } finally {
    list.close();
    clock.restore();
  }
}

const byKey = ([a], [b]) => a - b;
const rowsOf = (list) => list.rows.map(({ id, n }) => [Number(id), n]).sort(byKey);

describe('a list is the table\'s in the end, whatever was late or overtaken', () => {
  const options = {
    'with an event per row': {},
    'with an event per statement': { batches: true },
    'with changes': { payload: 'change' },
    'with changes per statement': { payload: 'change', batches: true },
    'with keys alone': { payload: 'key' },
    'with two watches of the same rows': { twice: true },
    'with events that say nothing of their order': { meta: false },
  };
  for (const [name, each] of Object.entries(options)) {
    it(name, async () => {
      await fc.assert(fc.asyncProperty(steps, (script) => isRight({ payload: 'row', ...each }, script)), { numRuns: RUNS, seed: SEED });
    });
  }
});
