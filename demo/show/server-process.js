// A Socket.IO server as a process of the show: on a free port, which it tells, until the show ends.
import { startServer } from '../app.js';

process.once('disconnect', () => process.exit());
// Ctrl-C in a terminal reaches the show and its servers alike: the show ends them.
process.on('SIGINT', () => {});
const { url } = await startServer(process.argv[2]);
process.send?.({ url });
