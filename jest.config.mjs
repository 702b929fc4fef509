import { availableParallelism } from 'node:os';

// Jest runs the TypeScript as Node does: types are stripped, nothing is transformed.
export default {
  testEnvironment: 'node',
  transform: {},
  extensionsToTreatAsEsm: ['.ts'],
  testMatch: ['**/*.test.ts'],
  // Lanes of their own: npm run test:kubernetes, test:vm, test:localstack.
  testPathIgnorePatterns: [
    '/node_modules/',
    '/dist/',
    '<rootDir>/test/kubernetes/',
    '<rootDir>/test/vm/',
    '<rootDir>/test/localstack/suite/',
  ],
  testTimeout: 30_000,
  // Tests wait for links, deadlines and processes more than they work.
  maxWorkers: 2 * availableParallelism(),
  reporters: ['default', '<rootDir>/tools/closing-line-reporter.mjs'],
};
