// The tests of the LocalStack lane. Its results go to a file, which the lane judges by what is known of LocalStack.
import base from '../../jest.config.mjs';

export default {
  ...base,
  rootDir: '../..',
  testPathIgnorePatterns: ['/node_modules/', '/dist/'],
  testMatch: ['<rootDir>/test/localstack/suite/**/*.test.ts'],
  testTimeout: 180_000,
  reporters: [],
};
