/** Reports as HTML files: what `open.ts` loads when one is asked for, and nothing else, because the chart library is large. Pure. */
export { forecastReport } from './forecast.ts';
export { recommendReport } from './recommend.ts';
export { simulateReport } from './simulate.ts';
