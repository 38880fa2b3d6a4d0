export { exportF32 } from './float-graph.ts';
export { exportInt8 } from './int8-graph.ts';
