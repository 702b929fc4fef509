import type { Outcome } from './judge.ts';

/** The part of Jest's `--json` document that counts. */
interface Results {
  readonly testResults: readonly {
    readonly name: string;
    readonly message: string;
    readonly assertionResults: readonly {
      readonly ancestorTitles: readonly string[];
      readonly title: string;
      readonly status: string;
      readonly failureMessages: readonly string[];
    }[];
  }[];
}

/** The outcome of each test; a file that could not run at all is one failure under its own name. */
export function outcomesOf(json: string): readonly Outcome[] {
  const { testResults } = JSON.parse(json) as Results;
  return testResults.flatMap(({ name, message, assertionResults }): readonly Outcome[] => {
    if (assertionResults.length === 0) return [{ check: name.replace(/.*\//, ''), status: 'failed', failure: message }];
    return assertionResults.map(({ ancestorTitles, title, status, failureMessages }) => ({
      check: [...ancestorTitles.slice(1), title].join(' › '),
      status: status === 'passed' || status === 'failed' ? status : 'skipped',
      failure: failureMessages.join('\n'),
    }));
  });
}
