// Calls the service with @grpc/grpc-js and prints the responses as JSON.
// Usage: node grpc_js.js ADDRESS NEURAL_PROTO HEALTH_PROTO NODE_MODULES
const [address, neuralProto, healthProto, modules] = process.argv.slice(2);
const grpc = require(`${modules}/@grpc/grpc-js`);
const protoLoader = require(`${modules}/@grpc/proto-loader`);

const load = (file) => grpc.loadPackageDefinition(protoLoader.loadSync(file, { keepCase: true, enums: String, defaults: true }));
const credentials = grpc.credentials.createInsecure();
const neural = new (load(neuralProto).neural.NeuralService)(address, credentials, { "grpc.enable_http_proxy": 0 });
const health = new (load(healthProto).grpc.health.v1.Health)(address, credentials, { "grpc.enable_http_proxy": 0 });

const call = (client, method, request) =>
  new Promise((resolve) =>
    client[method](request, { deadline: Date.now() + 60000 }, (error, response) =>
      resolve(error ? { code: error.code, details: error.details } : response),
    ),
  );

(async () => {
  const sample = [0.1, 0.2, 0.3, 0.4, 0.5];
  const other = [1, 0, -1, 0.5, 2];
  const responses = {
    predict: await call(neural, "Predict", { features: sample, model_type: "policy" }),
    batch: await call(neural, "BatchPredict", {
      inputs: [{ features: sample }, { features: other }],
      model_type: "policy",
    }),
    info: await call(neural, "GetModelInfo", { model_type: "policy" }),
    refused: await call(neural, "Predict", { features: [1], model_type: "policy" }),
    health: await call(health, "Check", { service: "neural.NeuralService" }),
  };
  console.log(JSON.stringify(responses));
  neural.close();
  health.close();
})();
