// npm run check | lint | fix: what must be green before a commit, in one place.
import { spawnSync } from 'node:child_process';

const STEPS = {
  types: ['tsc', '-p', '.'],
  lint: ['oxlint', '--type-aware', '--deny-warnings'],
  format: ['prettier', '--check', '.'],
  docs: ['node', '--no-warnings', 'tools/generate-docs.ts', '--check'],
  unit: [
    'node',
    '--experimental-vm-modules',
    '--no-warnings',
    'node_modules/jest/bin/jest.js',
    '--testPathIgnorePatterns',
    '/node_modules/',
    '/dist/',
    '/test/(?!repository/)',
  ],
};
const FIX = [
  ['prettier', '--write', '.'],
  ['oxlint', '--type-aware', '--fix'],
  ['node', '--no-warnings', 'tools/generate-docs.ts'],
];

const what = process.argv[2] ?? 'check';
const steps = what === 'fix' ? FIX : what === 'lint' ? [STEPS.types, STEPS.lint] : Object.values(STEPS);
let failed = 0;
for (const [command, ...args] of steps) {
  process.stdout.write(`> ${command} ${args.join(' ')}\n`);
  if (spawnSync(command, args, { stdio: 'inherit' }).status !== 0) failed += 1;
}
process.exit(failed === 0 ? 0 : 1);
