/** `npm run build`: the CNI binary, the daemon and the package of the emulator, in `dist/`. */
import { parseArgs } from 'node:util';
import { buildCloud } from './build-cloud.ts';
import { buildCniBinary, CniBuildError } from './build-cni.ts';
import { buildIpamd } from './build-ipamd.ts';

const { values } = parseArgs({ options: { json: { type: 'boolean' }, force: { type: 'boolean' } } });
const log = (line: string): void => void process.stderr.write(`${line}\n`);

const daemon = await buildIpamd();
const cloud = await buildCloud();
const lines = [
  ...Object.entries(daemon.programs).map(([name, bytes]) => `${daemon.directory}/${name}: ${bytes} bytes`),
  `${cloud.directory}: the npm package wellspring-cloud`,
];
try {
  const binary = await buildCniBinary({ log, force: values.force === true });
  const text = [`${binary.path}: ${binary.bytes} bytes, ${binary.kind}`, ...lines].join('\n');
  process.stdout.write(`${values.json === true ? JSON.stringify({ ...binary, daemon, cloud }) : text}\n`);
} catch (error) {
  if (!(error instanceof CniBuildError)) throw error;
  process.stdout.write(values.json === true ? `${JSON.stringify({ daemon, cloud })}\n` : `${lines.join('\n')}\n`);
  log(`${error.message}\nWithout it, the Node fallback (node cni/main.ts) does the same work, slower.`);
  process.exitCode = 2;
}
