/** Asks an API server through the narrow import, and prints what was loaded for it. Argument: a kubeconfig. */
import { registerHooks } from 'node:module';
import { ApiServer } from '#ipamd/kubernetes/api-server.ts';
import { loadCredentials } from '#ipamd/kubernetes/credentials.ts';
import { newKubeConfig } from '#ipamd/kubernetes/narrow-import.ts';

const loaded: string[] = [];
registerHooks({
  load(url, context, next) {
    loaded.push(url);
    return next(url, context);
  },
});
const source = { kind: 'kubeconfig', files: [process.argv[2] ?? ''], server: undefined } as const;
using api = new ApiServer({
  load: () => loadCredentials(source, newKubeConfig),
  userAgent: 'test',
  timeoutMs: 60_000,
  silenceMs: 10_000,
});
const signal = AbortSignal.timeout(60_000);
const answer = (await api.request({ method: 'GET', path: '/api/v1/nodes', signal })) as { readonly kind: string };
const config = await newKubeConfig();
config.loadFromFile(process.argv[2] ?? '');
let refusal = '';
try {
  config.makeApiClient(Object);
} catch (error) {
  refusal = (error as Error).message;
}
process.stdout.write(JSON.stringify({ kind: answer.kind, loaded, refusal }));
