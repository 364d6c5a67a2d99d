// Text of any bytes in a database, as only a startup packet brings it: Postgres verifies what comes by a query.
import { Socket } from 'node:net';

const STAND_IN = '\x7f';

/**
 * Options for connecting with a setting whose value ends in `byte`, so that `current_setting('app.bytes')` is `start` and
 * that byte.
 */
export function bytesInSetting({ start = 'aaaaa', byte = 0xf0 } = {}) {
  return {
    options: `-c app.bytes=${start}${STAND_IN}`,
    stream() {
      const socket = new Socket();
      // Not before: connect() puts back the method of its class.
      socket.once('connect', () => {
        const write = socket.write.bind(socket);
        // The packet has its length in front: one byte for another.
        socket.write = (data, ...more) => {
          const packet = Buffer.from(data);
          packet[packet.indexOf(STAND_IN)] = byte;
          socket.write = write;
          return write(packet, ...more);
        };
      });
      return socket;
    },
  };
}
