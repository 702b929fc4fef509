// Tests that run in the virtual machine: the emulated processor is slow, hence the long time limit.
import base from '../../jest.config.mjs';

export default {
  ...base,
  rootDir: '../..',
  testPathIgnorePatterns: ['/node_modules/', '/dist/'],
  testTimeout: 600_000,
  reporters: [['default', { summaryThreshold: 1000 }], '<rootDir>/tools/closing-line-reporter.mjs'],
};
