// Jest wants a default export.
export { beforeAllTests as default } from './before-all-tests.ts';
