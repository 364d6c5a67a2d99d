// What each transaction did: the SQL, the events that each customer received of it, and how long they took from its commit on. Events
// name their transaction, so that it makes no difference in what order they arrive, or how quickly one follows the other.
import { announce, clone, create, find, highlighted, milliseconds, quantity, size } from './dom.js';
import { now } from './clock.js';

const SHOWN = 50; // at most

export class Transactions {
  #customers;
  #list = find('#transactions');
  #byXid = new Map();
  #byRun = new Map();

  constructor(customers) {
    this.#customers = customers;
  }

  // ---- what the page runs ----

  begun(run, sql) {
    this.#byRun.set(run, this.#add({ sql: [sql], isRun: true }));
  }

  returned(run, { commands = [], error, note }) {
    const entry = this.#byRun.get(run);
    if (!entry) return;
    Object.assign(entry, { commands, error, note });
    this.#draw(entry);
    announce(error ? `Error: ${error.message}` : this.#summary(entry));
  }

  // ---- what Postgres tells, to each connection ----

  statement({ xid, id, sql, run }) {
    let entry = this.#byXid.get(xid);
    const ran = this.#byRun.get(run);
    // One run may commit twice: then its second transaction is shown as any other.
    if (ran && !ran.xid) {
      ran.xid = xid;
      if (entry) {
        for (const [customer, line] of entry.received) ran.received.set(customer, line);
        ran.at = entry.at;
        this.#drop(entry);
      }
      entry = ran;
    }
    entry ??= this.#add({ xid });
    this.#byXid.set(xid, entry);
    if (entry.ids.has(id)) return;
    entry.ids.add(id);
    if (!entry.isRun) entry.sql.push(sql);
    this.#draw(entry);
  }

  committed({ xid, at }) {
    const entry = this.#of(xid);
    entry.at = at;
    this.#draw(entry);
  }

  received(customer, { xid, event, rows, bytes }) {
    const entry = this.#of(xid);
    const line = entry.received.get(customer) ?? { events: new Map() };
    entry.received.set(customer, line);
    const count = line.events.get(event) ?? { events: 0, rows: 0, bytes: 0 };
    line.events.set(event, { events: count.events + 1, rows: count.rows + rows, bytes: count.bytes + bytes });
    line.latest = now();
    this.#draw(entry);
    announce(this.#summary(entry));
  }

  // ---- entries ----

  #of(xid) {
    if (!this.#byXid.has(xid)) this.#byXid.set(xid, this.#add({ xid }));
    return this.#byXid.get(xid);
  }

  #add(what) {
    const element = clone('transaction');
    const entry = { element, sql: [], ids: new Set(), received: new Map(), ...what };
    this.#list.prepend(element);
    if (this.#list.childElementCount > SHOWN) {
      const last = this.#list.lastElementChild;
      for (const each of [...this.#byXid.values(), ...this.#byRun.values()]) if (each.element === last) this.#drop(each);
    }
    this.#draw(entry);
    return entry;
  }

  #drop(entry) {
    entry.element.remove();
    for (const map of [this.#byXid, this.#byRun]) for (const [key, each] of map) if (each === entry) map.delete(key);
  }

  #draw(entry) {
    const { element, sql, commands, error, note, isRun } = entry;
    element.querySelector('pre').replaceChildren(...highlighted(sql.join('\n') || '…'));
    const outcome = element.querySelector('.outcome');
    outcome.replaceChildren(...(commands ?? []).map(({ command, count }) => create('span', '', count === null ? command : `${command} ${count}`)));
    if (error) {
      outcome.append(create('strong', 'error', `ERROR${error.sqlstate ? ` ${error.sqlstate}` : ''}: ${error.message}`));
      for (const more of [error.detail, error.hint]) if (more) outcome.append(create('span', '', more));
    } else if (note) outcome.append(create('span', '', note));
    else if (isRun && !commands) outcome.append(create('span', '', 'running'));
    outcome.hidden = outcome.childElementCount === 0;
    element.querySelectorAll('.result').forEach((result) => result.remove());
    for (const result of commands ?? []) if (result.columns.length > 0) outcome.after(tableOf(result));
    const list = element.querySelector('dl');
    // That a query sends nothing is no news.
    list.hidden = entry.received.size === 0 && commands?.length > 0 && !error && commands.every(({ columns }) => columns.length > 0);
    list.replaceChildren(...this.#customers.map((customer) => this.#line(entry, customer)));
  }

  #line({ received, at }, customer) {
    const line = received.get(customer);
    const events = [...(line?.events ?? [])].map(([name, count]) => create('span', '', create('b', '', name), ` ${told(count)}`));
    const took = line && at !== undefined ? [create('span', 'took', milliseconds(Math.max(0.1, line.latest - at)))] : [];
    const what = create('dd', line ? '' : 'nothing', ...(line ? events : ['nothing']));
    const element = create('div', '', create('dt', '', `Customer ${customer}`), what, ...(took.length > 0 ? [create('dd', '', ...took)] : []));
    element.dataset.customer = customer;
    return element;
  }

  #summary({ received, at }) {
    return this.#customers.map((customer) => {
      const line = received.get(customer);
      if (!line) return `Customer ${customer} received nothing.`;
      const sum = { events: 0, rows: 0, bytes: 0 };
      for (const count of line.events.values()) for (const name of Object.keys(sum)) sum[name] += count[name];
      const took = at === undefined ? '' : `, ${Math.round(line.latest - at)} milliseconds after the commit`;
      return `Customer ${customer} received ${told(sum)}${took}.`;
    }).join(' ');
  }
}

function told({ events, rows, bytes }) {
  return [quantity(events, 'event'), ...(rows > 0 ? [quantity(rows, 'row')] : []), size(bytes)].join(', ');
}

// What a query returned.
function tableOf({ columns, rows, count }) {
  const table = create('table', '', create('thead', '', create('tr', '', ...columns.map((name) => create('th', '', name)))));
  table.append(create('tbody', '', ...rows.map((row) => create('tr', '', ...row.map((value) => create('td', '', value ?? 'NULL'))))));
  if (count > rows.length) table.append(create('caption', '', `${quantity(rows.length, 'row')} of ${count.toLocaleString('en')}`));
  return create('div', 'result', table);
}
