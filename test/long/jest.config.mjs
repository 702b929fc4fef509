import { availableParallelism } from 'node:os';
import base from '../../jest.config.mjs';

// npm run test:long: the tests of this folder, which take too long for every run of npm test, mostly by waiting.
export default {
  ...base,
  rootDir: '../..',
  testMatch: ['<rootDir>/test/long/**/*.test.ts'],
  testPathIgnorePatterns: ['/node_modules/', '/dist/'],
  maxWorkers: 3 * availableParallelism(),
};
