// A Socket.IO client over HTTP long-polling that polls only when told to: between two polls the server can't
// write to it, which is when a volatile event gets lost.
import { Agent, request } from 'node:http';
import { text } from 'node:stream/consumers';

const SEPARATOR = '\x1e';

export class PollingClient {
  // A connection that is kept alive would keep the server from closing.
  #agent = new Agent({ keepAlive: false });
  #url;

  static async connect(server) {
    const client = new PollingClient();
    client.#url = `${server.url}/socket.io/?EIO=4&transport=polling`;
    const [open] = await client.poll();
    client.sid = JSON.parse(open.slice(1)).sid;
    client.#url += `&sid=${client.sid}`;
    await client.#send('POST', '40');
    const [connected] = await client.poll();
    if (!connected.startsWith('40')) throw new Error(`not connected: ${connected}`);
    return client;
  }

  /** One poll: waits until the server has something to say. → its packets, as text */
  async poll() {
    return (await this.#send('GET')).split(SEPARATOR);
  }

  async close() {
    await this.#send('POST', '1');
  }

  async #send(method, body) {
    return new Promise((resolve, reject) => {
      const message = request(this.#url, { method, agent: this.#agent }, (response) => resolve(text(response)));
      message.once('error', reject);
      message.end(body);
    });
  }
}
