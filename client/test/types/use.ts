// Compiles, or `npm test` fails: the module as a program with types uses it.
import { io, type Socket } from 'socket.io-client';
import { follow, type Change, type Fetched, type List, type State } from 'socketio_emitter-client';

interface Order { id: number; item: string; customer_id: number | null }
interface Line { order_id: string; line: number; item: string }
interface Meta { xid: string; seq: string }
interface ServerToClientEvents { 'order:insert': (order: Order, meta: Meta) => void }
interface ClientToServerEvents { 'orders:list': (customer: number, answer: (list: Fetched<Order>) => void) => void }

const socket: Socket<ServerToClientEvents, ClientToServerEvents> = io('http://localhost:3000');

const orders: List<Order> = follow(socket, {
  events: 'order',
  fetch: () => socket.timeout(10_000).emitWithAck('orders:list', 1),
  where: (order) => order.customer_id === 1,
});
orders
  .on('change', ({ reset, set, removed }: Change<Order>) => console.log(reset, set[0]?.item, removed.length))
  .on('state', (state: State) => console.log(state === 'live'))
  .on('error', (error: unknown) => console.error(error));
const item: string | undefined = orders.get(1)?.item ?? orders.get('1')?.item ?? orders.get({ id: 1 })?.item;

const lines = follow<Line>(io(), {
  events: { change: 'lines', left: 'line:left' },
  key: ['order_id', 'line'],
  payload: 'change',
  fetch: async () => ({ snapshot: '1:1:', rows: [] }),
});
const listener = () => console.log(lines.rows.length, item);
lines.on('change', listener).off('change', listener);
lines.refetch();
lines.close();

// @ts-expect-error: `fetch` is needed
follow<Line>(io(), { events: 'line' });
// @ts-expect-error: no such column
follow<Line>(io(), { events: 'line', key: 'id', fetch: async () => ({ snapshot: '1:1:', rows: [] }) });
// @ts-expect-error: rows are the list's to change
orders.rows.push({ id: 1, item: 'lamp', customer_id: 1 });
