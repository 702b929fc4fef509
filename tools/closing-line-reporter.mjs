// Ends a test run with the counts by level, what was skipped and why, and the plain line that CI reads.
import { writeSync } from 'node:fs';
import { relative } from 'node:path';

/** A test that cannot run on this machine has `[skipped: reason]` or `[unsupported here: reason]` in its title. */
const REASON = /\[(skipped|unsupported here): ([^\]]+)\]/;

function levelOf(path) {
  const parts = path.split('/');
  return parts[0] === 'test' ? (parts.length > 2 ? parts[1] : 'repository') : 'unit';
}

export default class ClosingLineReporter {
  onRunComplete(_contexts, results) {
    const levels = new Map();
    const reasons = new Map();
    let unsupported = 0;
    for (const file of results.testResults) {
      const level = levelOf(relative(process.cwd(), file.testFilePath));
      const count = levels.get(level) ?? { passed: 0, failed: 0, skipped: 0 };
      levels.set(level, count);
      if (file.testExecError) count.failed += 1;
      for (const test of file.testResults) {
        if (test.status === 'passed') count.passed += 1;
        else if (test.status === 'failed') count.failed += 1;
        else {
          const [, kind, reason] = REASON.exec(test.fullName) ?? [undefined, 'skipped', 'no reason given'];
          reasons.set(`${kind}: ${reason}`, (reasons.get(`${kind}: ${reason}`) ?? 0) + 1);
          if (kind === 'skipped') count.skipped += 1;
          else unsupported += 1;
        }
      }
    }
    const total = { passed: 0, failed: 0, skipped: 0 };
    const lines = [''];
    for (const [level, count] of [...levels].sort(([one], [other]) => one.localeCompare(other))) {
      lines.push(`${level.padEnd(14)} ${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`);
      for (const key of Object.keys(total)) total[key] += count[key];
    }
    for (const [reason, count] of reasons) lines.push(`${count} ${reason}`);
    if (unsupported > 0) lines.push(`unsupported here: ${unsupported}`);
    lines.push(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
    // Jest's own summary comes after the last reporter; CI reads the last line.
    process.once('exit', () => writeSync(1, `${lines.join('\n')}\n`));
  }
}
