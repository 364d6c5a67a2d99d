// The SQL: typed, or put there by a button. Each button writes what one could type, and runs it.
import { ask, create, find } from './dom.js';

const ITEMS = [['Coffee mug', 'mug'], ['Desk lamp', 'lamp'], ['Notebook', 'book'], ['House plant', 'plant'], ['Wall clock', 'clock']];
const PHOTO = new Map(ITEMS);
const TITLES = {
  'Move': 'to the other customer', 'Update 1,000': 'in one statement', 'Roll back': 'a transaction that deletes everything',
};
const NEXT = { new: 'paid', paid: 'shipped', shipped: 'new' };
const MANY = 'Postcard'; // see orders.sql

export class Editor {
  #customers;
  #transactions;
  #sql = find('#sql');
  #inserted = 0;

  constructor(customers, transactions) {
    this.#customers = customers;
    this.#transactions = transactions;
    const buttons = {
      'Insert': () => this.#insert(),
      'Update': () => this.#ofNewest(({ id, status, quantity }) =>
        `UPDATE orders SET status = '${NEXT[status] ?? 'new'}', quantity = ${quantity + 1} WHERE id = ${id};`),
      'Add photo': () => this.#ofNewest(({ id, item }) =>
        `UPDATE orders SET photo = decode(:'${PHOTO.get(item) ?? 'mug'}', 'base64') WHERE id = ${id};`),
      'Move': () => this.#ofNewest(({ id, customer_id: customer }) =>
        `UPDATE orders SET customer_id = ${customer === 1 ? 2 : 1} WHERE id = ${id};`),
      'Delete': () => this.#ofNewest(({ id }) => `DELETE FROM orders WHERE id = ${id};`),
      'Update 1,000': () => this.#many(),
      'Roll back': () => 'BEGIN; DELETE FROM orders; ROLLBACK;',
    };
    for (const [name, sql] of Object.entries(buttons)) {
      const button = create('button', '', name);
      button.type = 'button';
      button.title = TITLES[name] ?? '';
      button.addEventListener('click', () => {
        this.#sql.value = sql();
        this.#run();
      });
      find('#buttons').append(button);
    }
    this.#sql.value = `UPDATE orders SET status = 'paid' WHERE status = 'new' AND item <> '${MANY}';`;
    find('#editor').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#run();
    });
    this.#sql.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      this.#run();
    });
  }

  show({ visitor: { why } }) {
    if (!why) return;
    find('#sql-help').textContent = why;
    for (const element of document.querySelectorAll('.console button, .console textarea')) element.disabled = true;
  }

  async #run() {
    const sql = this.#sql.value.trim();
    if (!sql) return;
    const run = crypto.getRandomValues(new Uint32Array(2)).join('');
    this.#transactions.begun(run, sql);
    let answer;
    try {
      answer = await ask('run', { sql, run });
    } catch (error) {
      answer = { error: { message: `the demo doesn't answer (${error.message})` } };
    }
    this.#transactions.returned(run, answer);
  }

  #insert() {
    const customer = 1 + (this.#inserted % this.#customers.length);
    const [item] = ITEMS[this.#inserted % ITEMS.length];
    this.#inserted += 1;
    return `INSERT INTO orders (customer_id, item) VALUES (${customer}, '${item}');`;
  }

  #ofNewest(sql) {
    const newest = this.#customers.map((customer) => customer.newest).filter(Boolean).sort((one, other) => other.id - one.id);
    return newest.length > 0 ? sql(newest[0]) : this.#insert();
  }

  #many() {
    const [status] = this.#customers.map((customer) => customer.statusOf(MANY)).filter(Boolean);
    if (!status) return `INSERT INTO orders (customer_id, item) SELECT 1 + n % 2, '${MANY}' FROM generate_series(1, 1000) n;`;
    return `UPDATE orders SET status = '${NEXT[status] ?? 'new'}' WHERE item = '${MANY}';`;
  }
}
