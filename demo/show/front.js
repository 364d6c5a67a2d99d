// The one address: the page's files, the show's own requests, and all others forwarded to one of the servers, as a load balancer does.
import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { request as ask } from 'node:http';
import { createRequire } from 'node:module';
import { connect } from 'node:net';
import { pathToFileURL } from 'node:url';

const HERE = new URL('..', import.meta.url);
// Socket.IO's client, as its servers have it: the page needs it when none of them runs, too.
const CLIENT = new URL('client-dist/socket.io.js', pathToFileURL(createRequire(import.meta.url).resolve('socket.io/package.json')));
const TYPES = { html: 'text/html', css: 'text/css', js: 'text/javascript', sql: 'text/plain', md: 'text/plain' };
// The page is text from elsewhere put into its own elements; should that ever fail, nothing of it runs.
const POLICY = "default-src 'self'; img-src 'self' blob: data:; connect-src 'self' ws: wss:; frame-ancestors 'none'";

export class Front {
  #http;
  #servers;
  #control;
  #files = new Map();
  #connections = new Set();
  #places = new Map(); // client → the name of its server, for as long as that runs

  constructor(http, servers, control) {
    this.#http = http;
    this.#servers = servers;
    this.#control = control;
    for (const name of readdirSync(new URL('page', HERE))) this.#files.set(`/${name}`, [new URL(`page/${name}`, HERE)]);
    this.#files.set('/', [new URL('page/index.html', HERE)]);
    this.#files.set('/socket.io/socket.io.js', [CLIENT]);
    this.#files.set('/schema.sql', [new URL('schema.sql', HERE)]);
    // In a clone that of the project; where the demo was copied to, its own.
    this.#files.set('/README.md', [new URL('../README.md', HERE), new URL('README.md', HERE)]);
    http.on('connection', (socket) => {
      this.#connections.add(socket);
      socket.once('close', () => this.#connections.delete(socket));
    });
    http.on('request', (request, response) => this.#request(request, response));
    http.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
  }

  close() {
    this.#http.close();
    for (const socket of this.#connections) socket.destroy();
  }

  async #request(request, response) {
    try {
      const path = request.url.split('?')[0];
      if (this.#files.has(path)) await this.#file(path, response);
      else if (path.startsWith('/show/')) await this.#control.answer(path, request, response);
      else this.#forward(request, response);
    } catch (error) {
      console.error(`${request.method} ${request.url}: ${error.message}`);
      if (!response.headersSent) response.writeHead(500);
      response.end();
    }
  }

  async #file(path, response) {
    const places = [...this.#files.get(path)];
    let body;
    while (body === undefined) {
      const place = places.shift();
      body = await readFile(place).catch((error) => {
        if (places.length === 0) throw error;
      });
    }
    const type = TYPES[/\.(\w+)$/.exec(path)?.[1] ?? 'html'];
    response.writeHead(200, {
      'Content-Type': `${type}; charset=utf-8`, 'Cache-Control': 'no-store', 'Content-Security-Policy': POLICY,
    }).end(body);
  }

  /** A client names itself in the query, so that what it asks reaches one server, and the page can tell which. */
  #place(request, useless) {
    const query = new URL(request.url, 'http://front').searchParams;
    const client = query.get('client')?.slice(0, 100) ?? request.socket.remoteAddress;
    const known = this.#servers.get(this.#places.get(client));
    const server = known?.state === 'running' && !useless?.has(known.name) ? known : this.#choose(useless);
    if (server && query.has('EIO')) { // Socket.IO's, not a photo
      this.#places.delete(client);
      this.#places.set(client, server.name);
      if (this.#places.size > 1_000) this.#places.delete(this.#places.keys().next().value);
    }
    return { client, server };
  }

  // Of those that run, the one that has the fewest clients.
  #choose(useless) {
    const clients = (name) => [...this.#places.values()].filter((place) => place === name).length;
    return this.#servers.running.filter(({ name }) => !useless?.has(name)).sort((one, other) => clients(one.name) - clients(other.name))[0];
  }

  #forward(request, response, useless = new Set()) {
    const { server } = this.#place(request, useless);
    if (!server) return void response.writeHead(503, { 'Retry-After': '1' }).end();
    const { hostname, port } = new URL(server.url);
    const forwarded = ask({ hostname, port, method: request.method, path: request.url, headers: request.headers }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.on('error', () => response.destroy()).pipe(response);
    });
    forwarded.on('error', () => {
      if (response.headersSent) response.destroy();
      else if (request.method === 'GET' && !response.destroyed) this.#forward(request, response, useless.add(server.name));
      else response.writeHead(502).end();
    });
    response.on('close', () => forwarded.destroy());
    request.on('error', () => forwarded.destroy()).pipe(forwarded);
  }

  #upgrade(request, socket, head, useless = new Set()) {
    socket.on('error', () => socket.destroy());
    const { client, server } = this.#place(request, useless);
    if (!server) return void socket.end('HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n');
    const { hostname, port } = new URL(server.url);
    const target = connect({ host: hostname, port: Number(port) });
    target.setNoDelay(true);
    socket.setNoDelay(true);
    let isConnected = false;
    target.once('connect', () => {
      isConnected = true;
      const headers = [];
      for (let i = 0; i < request.rawHeaders.length; i += 2) headers.push(`${request.rawHeaders[i]}: ${request.rawHeaders[i + 1]}\r\n`);
      target.write(`${request.method} ${request.url} HTTP/1.1\r\n${headers.join('')}\r\n`);
      target.write(head);
      socket.pipe(target).pipe(socket);
      server.clients.add(client);
      this.#servers.changed();
    });
    target.on('error', () => {}); // `close` follows
    target.once('close', () => {
      if (!isConnected && !socket.destroyed) return this.#upgrade(request, socket, head, useless.add(server.name));
      socket.destroy();
    });
    socket.once('close', () => {
      target.destroy();
      this.#places.delete(client);
      if (server.clients.delete(client)) this.#servers.changed();
    });
  }
}
