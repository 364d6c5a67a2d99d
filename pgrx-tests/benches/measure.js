// Measuring on machines that others use too: contenders take turns in one run, medians are compared, and only their
// ratios are claims.
import { cpus } from 'node:os';

/** Milliseconds that `work` takes. */
export async function time(work) {
  const start = process.hrtime.bigint();
  await work();
  return Number(process.hrtime.bigint() - start) / 1e6;
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * Runs each contender once per round, in turns, after a round that doesn't count.
 * `contenders`: { name: async () => value }. → a { name: value } for each round.
 */
export async function play(rounds, contenders) {
  const played = [];
  for (let round = -1; round < rounds; round++) {
    const values = {};
    for (const name of Object.keys(contenders)) values[name] = await contenders[name]();
    if (round >= 0) played.push(values);
  }
  return played;
}

/**
 * Plays rounds. `contenders`: { name: async () => ({ part: number }) }. → { name: { part: { median, ratio } } }, where
 * `ratio` is the median over the rounds of the value divided by the first contender's in the same round: a moment in
 * which the machine was slow is slow for both.
 */
export async function takeTurns(rounds, contenders) {
  const names = Object.keys(contenders);
  const played = await play(rounds, contenders);
  const summary = (name, part) => ({
    median: median(played.map((values) => values[name][part])),
    ratio: median(played.map((values) => values[name][part] / values[names[0]][part])),
  });
  return Object.fromEntries(names.map((name) => [
    name, Object.fromEntries(Object.keys(played[0][name]).map((part) => [part, summary(name, part)])),
  ]));
}

/** Prints a table in Markdown: a list of columns' names, then rows of cells. */
export function table(title, columns, rows) {
  const cells = [columns, ...rows].map((row) => row.map(String));
  const widths = columns.map((_, i) => Math.max(...cells.map((row) => row[i].length)));
  const line = (row) => `| ${row.map((cell, i) => (i ? cell.padStart(widths[i]) : cell.padEnd(widths[i]))).join(' | ')} |`;
  const rule = `|${widths.map((width, i) => (i ? `${'-'.repeat(width + 1)}:` : '-'.repeat(width + 2))).join('|')}|`;
  console.log([`\n### ${title}\n`, line(cells[0]), rule, ...cells.slice(1).map(line)].join('\n'));
}

/** Prints whether a target is met; → whether it is. */
export function verdict(claim, value, isMet) {
  console.log(`${isMet ? 'met     ' : 'NOT MET '} ${claim}: ${value.toFixed(2)}`);
  return isMet;
}

export async function describeMachine(client) {
  const { rows } = await client.query('SHOW server_version');
  console.log(`Postgres ${rows[0].server_version}, Node ${process.version}, ${cpus().length} cores, ` +
    `${new Date().toISOString().slice(0, 10)}`);
}
