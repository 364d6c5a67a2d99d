// The page: two customers, each with a connection of its own as in two browsers, and the show around them.
import { followClock } from './clock.js';
import { Customer } from './customer.js';
import { find, highlighted } from './dom.js';
import { Editor } from './editor.js';
import { LoadPanel } from './load.js';
import { ServersPanel } from './servers.js';
import { Transactions } from './transactions.js';

const CUSTOMERS = [1, 2];

followClock();
const transactions = new Transactions(CUSTOMERS);
const customers = CUSTOMERS.map((number) => new Customer(number, transactions));
const parts = [new Editor(customers, transactions), new ServersPanel(customers), new LoadPanel()];
const [, , load] = parts;

// It connects again by itself.
const events = new EventSource('/show/events');
events.addEventListener('state', ({ data }) => {
  const state = JSON.parse(data);
  for (const part of parts) part.show(state);
});
events.addEventListener('sample', ({ data }) => load.sample(JSON.parse(data)));

const schema = await (await fetch('/schema.sql')).text();
find('#call').append(...highlighted(schema.match(/^SELECT sio_watch\([^;]*;/m)[0]));
