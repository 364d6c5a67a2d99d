// A table with transactions, and a network that brings their events late and in any order: what a list has to cope with.
// Transactions, locks and snapshots are as Postgres has them under READ COMMITTED; what would wait for a lock isn't done.

export class World {
  /** Key → { room, n, seq }: what is committed. */
  table = new Map();
  #running = new Map(); // xid → { changes: [], locks: Set }
  #nextXid = 100;
  #nextSeq = 1;
  #n = 0;
  #underWay = []; // { name, args }
  #requests = []; // fetches that have not come to the server yet
  #answers = []; // and those on their way back
  #isJoined = false;

  constructor(socket, { payload = 'row', batches = false, twice = false, meta = true, follows = 'a' }) {
    Object.assign(this, { socket, payload, batches, twice, meta, follows });
  }

  // ---- the database ----

  get transactions() {
    return [...this.#running.keys()];
  }

  begin() {
    const xid = this.#nextXid++;
    this.#running.set(xid, { changes: [], locks: new Set() });
    return xid;
  }

  /** A statement that does something to some rows: as many as it may. */
  write(xid, statement) {
    const transaction = this.#running.get(xid);
    const seen = this.#asSeenBy(transaction);
    if (statement.truncates) {
      const isFree = [...this.#running.values()].every((other) => other === transaction || other.locks.size === 0);
      if (!isFree) return;
      for (let key = 0; key < KEYS; key += 1) transaction.locks.add(key);
      transaction.changes.push({ truncates: true, seq: this.#nextSeq++ });
      return;
    }
    const seq = this.batches ? this.#nextSeq++ : undefined;
    const rows = [];
    for (const { key, room, to, isDelete } of statement.rows) {
      const keys = to === undefined ? [key] : [key, to];
      if (keys.some((each) => this.#isLocked(each, transaction))) continue;
      if (this.batches && rows.some((row) => keys.includes(row.key) || keys.includes(row.oldKey))) continue;
      const old = seen.get(key);
      if (to !== undefined && (!old || seen.has(to) || isDelete)) continue;
      if (isDelete && !old) continue;
      for (const each of keys) transaction.locks.add(each);
      const row = { key: to ?? key, oldKey: key, old, seq: seq ?? this.#nextSeq++ };
      if (isDelete) seen.delete(key);
      else {
        seen.delete(key);
        row.now = { room, n: this.#n++, seq: row.seq };
        seen.set(row.key, row.now);
      }
      rows.push(row);
    }
    if (rows.length > 0) transaction.changes.push({ rows });
  }

  /** Takes back the latest statements of it, as ROLLBACK TO a savepoint does. The locks stay, which does no harm. */
  rollbackTo(xid, count) {
    const { changes } = this.#running.get(xid);
    changes.splice(count % (changes.length + 1));
  }

  end(xid, commits) {
    const transaction = this.#running.get(xid);
    this.#running.delete(xid);
    if (!commits) return;
    this.table = this.#asSeenBy(transaction);
    for (const change of transaction.changes) this.#send(xid, change);
  }

  /** The room's rows, as the list should have them: [key, n] in order of the keys. */
  truth() {
    return [...this.table].filter(([, { room }]) => room === this.follows).map(([key, { n }]) => [key, n]).sort(([a], [b]) => a - b);
  }

  #isLocked(key, by) {
    return [...this.#running.values()].some((other) => other !== by && other.locks.has(key));
  }

  #asSeenBy({ changes }) {
    const table = new Map(this.table);
    for (const { truncates, rows } of changes) {
      if (truncates) table.clear();
      for (const { key, oldKey, now } of rows ?? []) {
        table.delete(oldKey);
        if (now) table.set(key, now);
      }
    }
    return table;
  }

  #snapshot() {
    const running = this.transactions;
    return `${running[0] ?? this.#nextXid}:${this.#nextXid}:${running}`;
  }

  // ---- the events ----

  #send(xid, { truncates, seq, rows }) {
    if (!this.#isJoined) return;
    for (let copy = 0; copy < (this.twice ? 2 : 1); copy += 1) {
      // The second is of another watch, whose trigger fires later.
      const post = (name, argument, number) => {
        const meta = this.meta ? [{ xid: String(xid), seq: String(2 * number + copy) }] : [];
        this.#underWay.push({ name, args: argument === undefined ? meta : [argument, ...meta] });
      };
      if (truncates) post('row:truncate', this.payload === 'change' ? { operation: 'TRUNCATE', record: null, old_record: null } : undefined, seq);
      const events = (rows ?? []).flatMap((row) => eventsOf(row, this.payload, this.follows).map((event) => ({ ...event, seq: row.seq })));
      if (!this.batches) {
        for (const { name, argument, seq: number } of events) post(name, argument, number);
        continue;
      }
      for (const name of new Set(events.map((event) => event.name))) {
        const same = events.filter((event) => event.name === name);
        post(name, same.map(({ argument }) => argument), same[0].seq);
      }
    }
  }

  // ---- the network ----

  get isQuiet() {
    return this.#underWay.length + this.#requests.length + this.#answers.length === 0;
  }

  fetch = () => new Promise((resolve, reject) => this.#requests.push({ resolve, reject }));

  connect() {
    if (!this.socket.connected) this.socket.connect();
  }

  /** What was on its way is lost, but for the answer to a fetch of this connection, which comes later if at all. */
  disconnect() {
    if (!this.socket.connected) return;
    this.#isJoined = false;
    this.#underWay = [];
    this.#requests = [];
    this.socket.disconnect();
  }

  /** The server gets a fetch: it joins the room first, then it asks the database. */
  serve() {
    const request = this.#requests.shift();
    if (!request) return;
    this.#isJoined = true;
    const rows = [...this.table].filter(([, { room }]) => room === this.follows).map(([key, row]) => recordOf(key, row));
    this.#answers.push({ ...request, value: { snapshot: this.#snapshot(), rows } });
  }

  /** One of the answers arrives, or fails. */
  answer(which, fails) {
    const [answer] = this.#answers.splice(which % (this.#answers.length || 1), 1);
    if (fails) answer?.reject(new Error('lost'));
    else answer?.resolve(answer.value);
  }

  /** One of the events arrives, whichever. */
  deliver(which) {
    const [event] = this.#underWay.splice(which % (this.#underWay.length || 1), 1);
    if (event) this.socket.emit(event.name, ...event.args);
  }
}

export const KEYS = 4;

const recordOf = (key, { room, n }) => ({ id: key, room, n });

/** What the clients of that room get of a row. */
function eventsOf({ key, oldKey, old, now }, payload, room) {
  const isMine = (row) => row?.room === room;
  const id = key % 2 ? key : String(key); // numbers here, texts there
  if (isMine(now)) {
    const record = { ...recordOf(id, now) };
    const argument = {
      row: record,
      key: { id },
      change: { operation: old ? 'UPDATE' : 'INSERT', record, old_record: old ? { id: oldKey } : null },
    }[payload];
    return [{ name: old ? 'row:update' : 'row:insert', argument }];
  }
  if (!isMine(old)) return [];
  if (now) return [{ name: 'row:left', argument: { id: oldKey } }];
  const argument = payload === 'change' ? { operation: 'DELETE', record: null, old_record: { id: oldKey } } : { id: oldKey };
  return [{ name: 'row:delete', argument }];
}
