/** The compiled CNI binary for tests, built once; the Node fallback where it cannot be compiled. */
import { provideCniBinary } from '#tools/build-cni.ts';

let path: Promise<string> | undefined;

export function cniBinary(): Promise<string> {
  path ??= provideCniBinary({ log: () => undefined }).then((built) => built.path);
  return path;
}
