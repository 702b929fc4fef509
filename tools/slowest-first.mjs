// Jest's order of test files: the slowest first, so that no worker begins a long one while the others are done already.
import { readFileSync } from 'node:fs';
import { relative } from 'node:path';

/** Seconds of the files that take long, once, on some machine; their order is what matters. */
const SECONDS = JSON.parse(readFileSync(new URL('./slowest-first.data.json', import.meta.url), 'utf8'));
/** A file that is not listed is taken for quick, the longer the slower. */
const BYTES_A_SECOND = 10_000;

function secondsOf({ path, context }) {
  const { hasteFS, config } = context;
  return SECONDS[relative(config.rootDir, path)] ?? (hasteFS.getSize(path) ?? 0) / BYTES_A_SECOND;
}

class SlowestFirst {
  sort(tests) {
    return tests.toSorted((one, other) => secondsOf(other) - secondsOf(one));
  }

  shard(tests, { shardIndex, shardCount }) {
    return tests.filter((_, index) => index % shardCount === shardIndex - 1);
  }

  allFailedTests() {
    throw new Error('nothing is remembered of earlier runs: name the files that failed instead of --onlyFailures');
  }

  // Jest tells it how long each file took; the list is kept by hand.
  cacheResults() {}
}

export { SlowestFirst as default };
