import base from '../../jest.config.mjs';

// npm run test:kubernetes: the tests of this folder, two files at a time, because each may start a whole cluster.
export default {
  ...base,
  rootDir: '../..',
  testMatch: ['<rootDir>/test/kubernetes/**/*.test.ts'],
  testPathIgnorePatterns: ['/node_modules/', '/dist/'],
  globalSetup: '<rootDir>/test/kubernetes/before-all-tests.mjs',
  maxWorkers: 2,
};
