// The tests of the LocalStack lane. Its results go to a file, which the lane judges by what is known of LocalStack.
import base from '../../jest.config.mjs';

export default {
  ...base,
  rootDir: '../..',
  testPathIgnorePatterns: ['/node_modules/', '/dist/'],
  // In front of LocalStack the emulator is held to the same suite, and to one of its own; it runs no nodes.
  testMatch:
    process.env.WELLSPRING_LANE_BEHIND === undefined
      ? ['<rootDir>/test/localstack/suite/*.test.ts']
      : [
          '<rootDir>/test/localstack/suite/{conformance,wire}.test.ts',
          '<rootDir>/test/localstack/suite/behind/*.test.ts',
        ],
  testTimeout: 180_000,
  reporters: [],
};
