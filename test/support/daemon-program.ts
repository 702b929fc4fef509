/** Which ipamd the tests run: a bundle that before-all-tests.ts has made of the sources, or the sources themselves. */
import { join } from 'node:path';

/** The directory of this run's bundle, in the environment. */
export const BUILD = 'WELLSPRING_TESTS_IPAMD';

/** What node is given to run ipamd from the sources of this checkout. */
export const FROM_SOURCES: readonly string[] = [
  '--no-warnings',
  new URL('../../ipamd/main.ts', import.meta.url).pathname,
];

/** What node is given to run ipamd, or ipamd with the API server's word from a file (facts-file.ts). */
export function daemonProgram(name: 'ipamd' | 'daemon-with-facts' = 'ipamd'): readonly string[] {
  const directory = process.env[BUILD];
  if (directory === undefined) throw new Error(`${BUILD} is not set: jest.config.mjs makes before-all-tests.ts set it`);
  return ['--no-warnings', join(directory, `${name}.cjs`)];
}
