// The plot of the README, as SVG. vega-lite draws it without a browser.
import * as vega from 'vega';
import { compile } from 'vega-lite';

const TITLES = { own: 'the disk’s own flush time', '2 ms': 'a flush time of 2 ms' };

/** `points`: { flush, clients, name, rate }; `caption`: lines, each at most as wide as the panels. → SVG */
export async function plotThroughput(points, caption) {
  const spec = {
    $schema: 'https://vega.github.io/schema/vega-lite/v5.json',
    // Pages in dark mode show it on their dark background otherwise.
    background: 'white',
    padding: 12,
    title: {
      text: 'Inserts per second into a table with a row trigger', subtitle: caption,
      anchor: 'start', fontSize: 15, subtitleFontSize: 10, subtitleColor: '#555', offset: 14,
    },
    data: { values: points.map((point) => ({ ...point, flush: TITLES[point.flush] })) },
    facet: { column: { field: 'flush', type: 'nominal', title: null, sort: Object.values(TITLES), header: { labelFontSize: 12 } } },
    resolve: { scale: { y: 'independent' } },
    spec: {
      width: 385,
      height: 260,
      mark: { type: 'line', point: { size: 45, filled: true }, strokeWidth: 2.5 },
      encoding: {
        x: {
          field: 'clients', type: 'quantitative', title: 'clients',
          scale: { type: 'log', base: 2, nice: false }, axis: { values: [1, 2, 4, 8, 16, 32, 64], grid: false, labelFlush: false },
        },
        y: { field: 'rate', type: 'quantitative', title: 'transactions per second', scale: { zero: true }, axis: { format: ',d' } },
        color: {
          field: 'name', type: 'nominal', title: 'AFTER INSERT … FOR EACH ROW', sort: [...new Set(points.map(({ name }) => name))],
          scale: { range: ['#8a8a8a', '#1a73b8', '#c8402f'] },
          legend: { orient: 'bottom', direction: 'horizontal', labelLimit: 400, title: null },
        },
      },
    },
  };
  const view = new vega.View(vega.parse(compile(spec).spec), { renderer: 'none' });
  return `${await view.toSVG()}\n`;
}
