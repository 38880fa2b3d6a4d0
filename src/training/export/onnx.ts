export { exportF32 } from './float-graph.ts';
