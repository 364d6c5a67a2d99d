// The two Socket.IO servers: which runs, who is connected to it, and a button that stops it.
import { announce, ask, clone, find, quantity } from './dom.js';

export class ServersPanel {
  #customers;
  #cards = new Map();

  constructor(customers) {
    this.#customers = customers;
  }

  show({ servers }) {
    for (const server of servers) this.#draw(this.#cards.get(server.name) ?? this.#add(server.name), server);
    this.#customers.forEach((customer) => {
      customer.server = servers.find(({ clients }) => clients.includes(customer.client))?.name;
    });
  }

  #add(name) {
    const card = clone('server');
    card.querySelector('.name').textContent = `Server ${name}`;
    card.querySelector('button').addEventListener('click', () => {
      ask('servers', { name, action: card.dataset.state === 'stopped' ? 'start' : 'stop' }).catch(console.error);
    });
    find('#servers').append(card);
    this.#cards.set(name, card);
    return card;
  }

  #draw(card, { name, state, clients, backIn }) {
    if (card.dataset.state && card.dataset.state !== state) announce(`Server ${name} is ${state}.`);
    card.dataset.state = state;
    card.querySelector('.state').textContent = {
      running: this.#connected(clients), starting: 'starting', stopped: `stopped, back in ${Math.ceil((backIn ?? 0) / 1000)} s`,
    }[state];
    const button = card.querySelector('button');
    button.textContent = state === 'stopped' ? 'Start' : 'Stop';
    button.setAttribute('aria-label', `${button.textContent} server ${name}`);
    button.disabled = state === 'starting';
  }

  #connected(clients) {
    const ours = this.#customers.map(({ client }, i) => (clients.includes(client) ? i + 1 : 0)).filter(Boolean);
    const others = clients.length - ours.length;
    const told = [
      ...(ours.length > 0 ? [`customer${ours.length > 1 ? 's' : ''} ${ours.join(' and ')}`] : []),
      ...(others > 0 ? [quantity(others, 'other')] : []),
    ];
    return `running, ${told.join(', ') || 'nobody connected'}`;
  }
}
