// Builds what is missing of Kubernetes before the first test: a compiler beside them would hold up whatever has a deadline.
import { beforeAllTests as prepare } from '../support/before-all-tests.ts';
import { missing } from '../support/needs.ts';
import { builtHelm } from '../../tools/helm.ts';
import { built, PROGRAM_NAMES, progress } from './build.ts';

/** Whoever asks for some of the files alone waits for what those need, when they need it. */
async function beforeAllTests({ testPathPatterns }) {
  await prepare();
  const isWhole = (testPathPatterns?.patterns ?? []).length === 0;
  if (!isWhole || missing('go', 'root', 'containerd', 'etcd') !== '') return;
  for (const name of PROGRAM_NAMES) await built(name);
  using _progress = progress('building helm (once)');
  await builtHelm();
}

export { beforeAllTests as default };
