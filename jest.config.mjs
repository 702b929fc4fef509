import { availableParallelism } from 'node:os';
import { join } from 'node:path';

// The tests start Node a thousand times; what it compiles of a file is kept for the next time, until tomorrow.
const today = new Date().toISOString().slice(0, 10);
process.env.NODE_COMPILE_CACHE ??= join(import.meta.dirname, 'dist', 'for-tests', `compiled-${today}`);

// Jest runs the TypeScript as Node does: types are stripped, nothing is transformed.
export default {
  testEnvironment: 'node',
  transform: {},
  extensionsToTreatAsEsm: ['.ts'],
  testMatch: ['**/*.test.ts'],
  // Lanes of their own: npm run test:long, test:kubernetes, test:vm, test:localstack.
  testPathIgnorePatterns: [
    '/node_modules/',
    '/dist/',
    '<rootDir>/test/long/',
    '<rootDir>/test/kubernetes/',
    '<rootDir>/test/vm/',
    '<rootDir>/test/localstack/suite/',
  ],
  modulePathIgnorePatterns: ['<rootDir>/dist/'],
  testSequencer: '<rootDir>/tools/slowest-first.mjs',
  globalSetup: '<rootDir>/test/support/before-all-tests.mjs',
  // Longer than any wait inside of a test (test/support/until.ts), which says what it waited for.
  testTimeout: 300_000,
  // Tests wait for links, deadlines and processes more than they work.
  maxWorkers: 2 * availableParallelism(),
  reporters: ['default', '<rootDir>/tools/closing-line-reporter.mjs'],
};
