/**
 * `KubeConfig` of @kubernetes/client-node without the rest of the package: the generated API classes and undici, which its
 * module imports and which are not used here, would cost ten times its memory (decision 14). While it is imported, a
 * resolve hook puts modules in their place that only hold the names.
 */
import { registerHooks } from 'node:module';
import type { KubeConfig } from '@kubernetes/client-node/dist/config.js';
import { absentModule, IMPORTER, LEFT_OUT } from './left-out.ts';

/** Imported when first asked for; a daemon without an API server never does. */
export async function newKubeConfig(): Promise<KubeConfig> {
  const hooks = registerHooks({
    resolve(specifier, context, next) {
      const names = context.parentURL?.endsWith(IMPORTER) === true ? LEFT_OUT[specifier] : undefined;
      if (names === undefined) return next(specifier, context);
      return { url: `data:text/javascript,${encodeURIComponent(absentModule(names))}`, shortCircuit: true };
    },
  });
  try {
    const { KubeConfig } = await import('@kubernetes/client-node/dist/config.js');
    return new KubeConfig();
  } finally {
    hooks.deregister();
  }
}
