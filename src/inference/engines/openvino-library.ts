import koffi from 'koffi';
import { type Call, called } from '../native-call.ts';
import { mapFile } from './mapped-file.ts';

/** What is used here of OpenVINO's C API (2.0, `openvino/c/*.h`), called without a compiler. */

const DEVICE = 'CPU';

/** An object of the library's, freed by one of its functions. */
type Handle = unknown;
type Api = ReturnType<typeof declare>;

/** OpenVINO in this process, with settings for what it compiles; see its `openvino/properties.hpp`. */
export class Openvino {
  readonly #api: Api;
  readonly #core: Handle;

  /** @throws Error where the library does not load. Settings are looked at when it compiles. */
  constructor(path: string, settings: Readonly<Record<string, string>>) {
    this.#api = declare(path);
    this.#core = this.#api.make('core', this.#api.createCore);
    for (const [key, value] of Object.entries(settings)) {
      const pair = ['const char *', key, 'const char *', value];
      this.#api.check(key, this.#api.setProperty(this.#core, DEVICE, ...pair));
    }
  }

  /** As the library writes it, its build included. */
  get version(): string {
    return this.#api.version();
  }

  /** @param model an ONNX file. */
  compile(model: Uint8Array): CompiledModel {
    const api = this.#api;
    const read = api.make('read', api.readModel, this.#core, model, model.length, null);
    try {
      const compiled = api.make('compile', api.compile, this.#core, read, DEVICE, 0);
      return new CompiledModel(api, compiled);
    } finally {
      api.freeModel(read);
    }
  }

  /**
   * In one of libuv's threads.
   * @param path what `CompiledModel.export` wrote, with the same library on the same kind of CPU.
   */
  async import(path: string): Promise<CompiledModel> {
    const api = this.#api;
    // The network reads its weights from there as long as it lives.
    const { address, length, letGo, unmap } = mapFile(path);
    try {
      const made: [Handle] = [null];
      const status = await called(api.import, this.#core, address, length, DEVICE, made);
      api.check('import', status);
      // Most of it has been put in the order of this CPU's kernels, elsewhere.
      letGo();
      return new CompiledModel(api, made[0], unmap);
    } catch (error) {
      unmap();
      throw error;
    }
  }

  /** After all that it made. */
  close(): void {
    this.#api.freeCore(this.#core);
  }
}

/** A network with one input and one output of fixed shape. */
export class CompiledModel {
  readonly #api: Api;
  readonly #compiled: Handle;
  readonly #onClose: () => void;

  /** @param onClose called once the network is gone. */
  constructor(api: Api, compiled: Handle, onClose = () => {}) {
    this.#api = api;
    this.#compiled = compiled;
    this.#onClose = onClose;
  }

  /** Writes it so that `Openvino.import` has it sooner than `compile`. */
  export(path: string): void {
    this.#api.check('export', this.#api.export(this.#compiled, path));
  }

  request(): Request {
    return new Request(this.#api, this.#compiled);
  }

  /** After its requests. */
  close(): void {
    this.#api.freeCompiled(this.#compiled);
    this.#onClose();
  }
}

/** What one inference at a time needs; those of a network with streams run beside each other. */
export class Request {
  readonly #api: Api;
  readonly #request: Handle;
  readonly #tensors: Handle[] = [];
  readonly #input: Uint8Array;
  readonly #output: Float32Array;

  constructor(api: Api, compiled: Handle) {
    this.#api = api;
    this.#request = api.make('request', api.createRequest, compiled);
    // Made once: the library keeps both where they are as long as the request lives.
    this.#input = new Uint8Array(this.#bytesOf(api.inputTensor));
    this.#output = new Float32Array(this.#bytesOf(api.outputTensor));
  }

  /**
   * In one of libuv's threads.
   * @param input as long as the network's input.
   */
  async infer(input: Uint8Array): Promise<Float32Array> {
    this.#input.set(input);
    this.#api.check('infer', this.#api.startInference(this.#request));
    this.#api.check('infer', await called(this.#api.wait, this.#request));
    return this.#output.slice();
  }

  close(): void {
    for (const tensor of this.#tensors) this.#api.freeTensor(tensor);
    this.#api.freeRequest(this.#request);
  }

  #bytesOf(which: Api['inputTensor']): ArrayBuffer {
    const api = this.#api;
    const tensor = api.make('tensor', which, this.#request);
    this.#tensors.push(tensor);
    const length = Number(api.make('size', api.tensorBytes, tensor));
    return koffi.view(api.make('data', api.tensorData, tensor), length);
  }
}

function declare(path: string) {
  const library = koffi.load(path);
  const f = (prototype: string) => library.func(prototype);
  const lastError = f('const char *ov_get_last_err_msg()');
  const OpenvinoVersion = koffi.struct({
    buildNumber: 'const char *',
    description: 'const char *',
  });
  const getVersion = library.func('ov_get_openvino_version', 'int', [
    koffi.out(koffi.pointer(OpenvinoVersion)),
  ]);

  /** @throws Error where the status of a call is not 0, with the library's own words. */
  const check = (what: string, status: number): void => {
    if (status === 0) return;
    const lines = String(lastError() ?? '').split('\n');
    // Its first lines say where in its sources, the last one what.
    const reason = lines.map((line) => line.trim()).findLast((line) => line !== '');
    throw new Error(`OpenVINO, ${what}: ${reason ?? `status ${status}`}`);
  };
  return {
    check,
    /** Calls a function whose last parameter is where it puts what it makes. */
    make(what: string, call: Call, ...args: unknown[]): Handle {
      const made: [Handle] = [null];
      check(what, call(...args, made));
      return made[0];
    },
    version(): string {
      const version = { buildNumber: '' };
      check('version', getVersion(version));
      return version.buildNumber;
    },
    createCore: f('int ov_core_create(_Out_ void **core)'),
    freeCore: f('void ov_core_free(void *core)'),
    setProperty: f('int ov_core_set_property(void *core, const char *device, ...)'),
    readModel: f(
      'int ov_core_read_model_from_memory_buffer(void *core, const uint8_t *model, size_t length, void *weights, _Out_ void **read)',
    ),
    freeModel: f('void ov_model_free(void *model)'),
    compile: f(
      'int ov_core_compile_model(void *core, void *model, const char *device, size_t properties, _Out_ void **compiled, ...)',
    ),
    import: f(
      'int ov_core_import_model(void *core, intptr_t blob, size_t length, const char *device, _Out_ void **compiled)',
    ),
    export: f('int ov_compiled_model_export_model(void *compiled, const char *path)'),
    freeCompiled: f('void ov_compiled_model_free(void *compiled)'),
    createRequest: f(
      'int ov_compiled_model_create_infer_request(void *compiled, _Out_ void **request)',
    ),
    freeRequest: f('void ov_infer_request_free(void *request)'),
    // Not ov_infer_request_infer: that would run in our thread, which is none of a stream's.
    startInference: f('int ov_infer_request_start_async(void *request)'),
    wait: f('int ov_infer_request_wait(void *request)'),
    inputTensor: f('int ov_infer_request_get_input_tensor(void *request, _Out_ void **tensor)'),
    outputTensor: f('int ov_infer_request_get_output_tensor(void *request, _Out_ void **tensor)'),
    tensorBytes: f('int ov_tensor_get_byte_size(void *tensor, _Out_ size_t *bytes)'),
    tensorData: f('int ov_tensor_data(void *tensor, _Out_ void **data)'),
    freeTensor: f('void ov_tensor_free(void *tensor)'),
  };
}
