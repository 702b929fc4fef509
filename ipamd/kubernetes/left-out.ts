/**
 * What @kubernetes/client-node's config.js imports for methods that are not called here. Read by the import of a checkout
 * (narrow-import.ts) and by the build for release (tools/build-ipamd.ts).
 */

export const IMPORTER = '/@kubernetes/client-node/dist/config.js';

/** Specifier, as config.js has it -> the names that it takes from there. */
export const LEFT_OUT: Readonly<Record<string, readonly string[]>> = {
  './gen/index.js': ['createConfiguration', 'ServerConfiguration'],
  undici: ['Agent', 'ProxyAgent'],
};

/** A module that has these names and throws when one is used. */
export function absentModule(names: readonly string[]): string {
  const functions = names.map(
    (name) =>
      `export function ${name}() { throw new Error('${name} is not loaded: see ipamd/kubernetes/left-out.ts'); }`,
  );
  return functions.join('\n');
}
