// For `node --test --import`: a test file that hangs fails, instead of holding up all that come after it.
import path from 'node:path';

const MINUTES = 10 * Number(process.env.HARNESS_SLOWNESS ?? 1);

// The runner itself imports this, too, and it runs longer.
if (process.env.NODE_TEST_CONTEXT) {
  setTimeout(() => {
    const waitingFor = process.getActiveResourcesInfo().join(', ');
    console.error(`${path.basename(process.argv[1])} isn't done after ${MINUTES} minutes. What keeps it: ${waitingFor}`);
    process.exit(1);
  }, MINUTES * 60_000).unref();
}
