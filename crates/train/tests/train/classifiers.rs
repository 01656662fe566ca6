//! What the learner promises for networks that it does not know: those of stock burn layers, and ours on images of
//! other shapes.

use std::sync::atomic::AtomicBool;

use burn::tensor::{Device, Tensor, TensorData};
use tinylsa_model::{
    AttentionConfig, Classifier, ImageShape, LoadedModel, ModelConfig, ModelFile, ModelFileError, ModelMetadata,
    Precision, StageConfig, State, TinyCnnLsa, TinyCnnLsaConfig, load_predictor, model_to_safetensors,
    state_from_safetensors, state_of, state_to_safetensors, values_of,
};
use tinylsa_train::{
    OptimizerConfig, OptimizerKind, Silent, TrainError, Trained, TrainingOutcome, TrainingPlan, Views, evaluate,
    predict, resume, robustness, train,
};

use crate::common::{
    CLASSES, ConvNet, ConvNetConfig, StopAfter, class_names, coloured, finished, measured, plan, stock_networks,
    trained,
};

fn stopped_and_resumed<C: ModelConfig>(plan: &TrainingPlan<C>, steps: usize) -> Trained<C::Model> {
    let checkpoints = tempfile::tempdir().unwrap();
    let plan = TrainingPlan { checkpoints: checkpoints.path().to_owned(), ..plan.clone() };
    let stop = AtomicBool::new(false);
    let outcome = train(&plan, &stop, &mut StopAfter { steps, stop: &stop }).unwrap();
    assert!(matches!(outcome, TrainingOutcome::Interrupted { steps: done, .. } if done == steps));
    finished(resume(&plan, &AtomicBool::new(false), &mut Silent).unwrap())
}

/// Stops after every step of the run, and resumes.
fn a_stop_anywhere_changes_no_bit<C: ModelConfig>(plan: &TrainingPlan<C>) -> Trained<C::Model> {
    let whole = trained(plan);
    let steps = plan.train.epochs * (plan.train_indices.len() / plan.train.batch_size);
    for stop in 1..steps {
        let resumed = stopped_and_resumed(plan, stop);
        assert!(state_of(&resumed.model) == state_of(&whole.model), "stopped after {stop} of {steps} steps");
        assert_eq!(measured(&resumed.history), measured(&whole.history), "stopped after {stop} of {steps} steps");
    }
    whole
}

#[test]
fn a_stop_after_any_step_changes_no_bit_of_a_stock_network() {
    for network in stock_networks() {
        let checkpoints = tempfile::tempdir().unwrap();
        a_stop_anywhere_changes_no_bit(&plan(network, checkpoints.path()));
    }
}

#[test]
fn every_optimizer_trains_a_stock_network_and_resumes_it() {
    let [network, _] = stock_networks();
    for kind in [OptimizerKind::Adamw, OptimizerKind::Nesterov] {
        let checkpoints = tempfile::tempdir().unwrap();
        let mut plan = plan(network.clone(), checkpoints.path());
        plan.train.optimizer = OptimizerConfig::new(kind);
        let whole = trained(&plan);
        assert!(state_of(&stopped_and_resumed(&plan, 7).model) == state_of(&whole.model), "{kind:?}");
    }
}

#[test]
fn a_stock_network_learns_and_its_file_gives_it_back() {
    let device = Device::flex();
    for network in stock_networks() {
        let checkpoints = tempfile::tempdir().unwrap();
        let mut plan = plan(network.clone(), checkpoints.path());
        plan.train.epochs = 8;
        plan.train.optimizer = OptimizerConfig::new(OptimizerKind::Adamw);
        plan.train.optimizer.adamw.learning_rate = 0.02;
        let trained = trained(&plan);
        let test = coloured(network.input, 70, 2);
        let everything: Vec<u32> = (0..70).collect();
        let predictions = predict(&*trained.model.predictor(), &test, &everything, Views::Plain).unwrap();
        let evaluation = evaluate(&predictions, 0).unwrap();
        assert!(evaluation.accuracy.value > 0.9, "{:?} of {network:?}", evaluation.accuracy);
        assert_eq!(evaluation.classes.len(), CLASSES);

        let metadata =
            ModelMetadata { temperature: Some(1.5), ..ModelMetadata::new(&network, &class_names(), "folder/colours") };
        let bytes = model_to_safetensors(&trained.model, &metadata, Precision::Single).unwrap();
        let LoadedModel { model, metadata: read, .. } = ConvNet::from_safetensors(&bytes, &device).unwrap();
        assert_eq!(read, metadata);
        assert!(state_of(&model) == state_of(&trained.model));
        let again = predict(&*model.predictor(), &test, &everything, Views::Plain).unwrap();
        assert_eq!(again, predictions);

        let path = checkpoints.path().join("model.safetensors");
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(tinylsa_model::model_kind(&path).unwrap(), ConvNetConfig::KIND);
        let error = TinyCnnLsa::load(&path, &device).unwrap_err();
        assert!(matches!(error, ModelFileError::Kind { .. }), "{error}");
        let expected = "the file holds a network of the kind \"test-conv-net\", expected \"tinycnn-lsa\"";
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn a_file_of_a_stock_network_with_other_tensors_is_refused() {
    let [network, plain] = stock_networks();
    let device = Device::flex();
    let bytes = network.init_with_seed(0, &device).unwrap().to_safetensors(&class_names(), "none").unwrap();
    let refused = |change: &dyn Fn(&mut State, &mut String)| {
        let (mut state, mut text) = state_from_safetensors(&bytes, "tinylsa").unwrap();
        change(&mut state, &mut text);
        let bytes = state_to_safetensors(&state, "tinylsa", text).unwrap();
        let error = ConvNet::from_safetensors(&bytes, &device).unwrap_err();
        std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string)
    };
    let damaged = refused(&|_, text| *text = text.replace("none", "some"));
    assert!(damaged.starts_with("the contents have SHA-256 "), "{damaged}");
    // What the checksum would find is found without one.
    let unsealed = |change: &dyn Fn(&mut State)| {
        refused(&|state, text| {
            change(state);
            *text = format!("{{{}", &text[text.find("\"kind\"").unwrap()..]);
        })
    };
    assert_eq!(unsealed(&|state| drop(state.remove("head.bias"))), "the tensor head.bias is missing");
    let added = unsealed(&|state| drop(state.insert("tail".to_owned(), state["head.bias"].clone())));
    assert_eq!(added, "the tensor tail belongs to no part of the module");
    let negative = unsealed(&|state| state.get_mut("norm.running_var").unwrap().values[1] = -1.0);
    assert_eq!(negative, "the tensor norm.running_var holds -1.0 at [1], expected a variance of at least 0");
    let other = plain.init_with_seed(0, &device).unwrap();
    let error = model_to_safetensors(&other, &ModelMetadata::new(&network, &class_names(), "none"), Precision::Single);
    assert!(matches!(error, Err(ModelFileError::OtherConfig)));
}

/// The weights as they are after the last step, with their running statistics, give the logits that are measured.
#[test]
fn a_stock_network_is_measured_by_its_forward_pass_in_evaluation() {
    let [network, _] = stock_networks();
    let checkpoints = tempfile::tempdir().unwrap();
    let trained = trained(&plan(network.clone(), checkpoints.path()));
    let state = state_of(&trained.model);
    assert!(state["norm.running_mean"].values.iter().any(|mean| mean.abs() > 1e-3));
    assert!(state["norm.running_var"].values.iter().any(|variance| (variance - 1.0).abs() > 1e-3));
    let images = coloured(network.input, 21, 5);
    let pixels = tinylsa_data::to_unit(&images.images);
    let tensor = Tensor::<4>::from_data(TensorData::new(pixels.clone(), [21, 3, 32, 32]), &Device::flex());
    let [first, second] = [(); 2].map(|()| values_of(&trained.model.forward(tensor.clone())));
    assert_eq!(first, second, "evaluation neither draws nor changes the network");
    assert_eq!(trained.model.predictor().logits(&pixels).unwrap(), first);
}

#[test]
fn dropout_draws_the_same_numbers_whatever_else_trains() {
    let [network, _] = stock_networks();
    let state = || {
        let checkpoints = tempfile::tempdir().unwrap();
        state_of(&trained(&plan(network.clone(), checkpoints.path())).model)
    };
    let alone = state();
    std::thread::scope(|scope| {
        let together: Vec<_> = (0..3).map(|_| scope.spawn(state)).collect();
        for other in together {
            assert!(other.join().unwrap() == alone);
        }
    });
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    // Other tests of this process may be drawing, for which a task of a pool does not wait.
    let in_pool = || {
        let checkpoints = tempfile::tempdir().unwrap();
        train(&plan(network.clone(), checkpoints.path()), &AtomicBool::new(false), &mut Silent).map(finished)
    };
    let in_pool = loop {
        match pool.install(in_pool) {
            Ok(trained) => break trained,
            Err(TrainError::Random(_) | TrainError::Init(_)) => {}
            Err(error) => panic!("{error}"),
        }
    };
    assert!(state_of(&in_pool.model) == alone);

    let without = ConvNetConfig { dropout: 0.0, ..network.clone() };
    let checkpoints = tempfile::tempdir().unwrap();
    assert!(state_of(&trained(&plan(without, checkpoints.path())).model) != alone);
}

#[test]
fn another_seed_gives_a_stock_network_other_weights() {
    let [network, _] = stock_networks();
    let device = Device::flex();
    let [first, again, other] = [4, 4, 5].map(|seed| state_of(&network.init_with_seed(seed, &device).unwrap()));
    assert!(first == again);
    assert!(first["head.weight"] != other["head.weight"]);
}

#[test]
fn a_stock_network_teaches_one_of_ours() {
    let [teacher, _] = stock_networks();
    let checkpoints = tempfile::tempdir().unwrap();
    let path = checkpoints.path().join("teacher.safetensors");
    let network = teacher.init_with_seed(1, &Device::flex()).unwrap();
    std::fs::write(&path, network.to_safetensors(&class_names(), "folder/colours").unwrap()).unwrap();
    let mut plan = plan(ours(teacher.input), checkpoints.path());
    plan.train.epochs = 1;
    plan.train.distillation.teachers = vec![path];
    plan.train.distillation.weight = 0.5;
    let error = train(&plan, &AtomicBool::new(false), &mut Silent).unwrap_err();
    assert!(matches!(error, TrainError::Teacher { source: ModelFileError::Kind { .. }, .. }), "{error}");
    plan.load_teacher = load_predictor::<ConvNet>;
    let taught = trained(&plan);
    plan.train.distillation = tinylsa_train::DistillationConfig::default();
    assert!(state_of(&trained(&plan).model) != state_of(&taught.model));
}

#[test]
fn robustness_of_a_stock_network_is_measured_on_colour_images() {
    let [network, _] = stock_networks();
    let model = network.init_with_seed(1, &Device::flex()).unwrap();
    let images = coloured(network.input, 14, 3);
    let measured = robustness(&*model.predictor(), &images, &(0..14).collect::<Vec<u32>>(), 0).unwrap();
    assert_eq!(measured.images, 14);
}

fn ours(input: ImageShape) -> TinyCnnLsaConfig {
    let stage = |channels, stride, residual_blocks, pool| StageConfig { channels, stride, residual_blocks, pool };
    TinyCnnLsaConfig {
        input,
        classes: CLASSES,
        input_mean: vec![0.4; input.channels],
        input_deviation: vec![0.3; input.channels],
        stages: vec![stage(8, 1, 0, true), stage(16, 2, 1, false)],
        attention: AttentionConfig { blocks: 1, heads: 2, mlp_width: 16, ..AttentionConfig::default() },
        ..TinyCnnLsaConfig::default()
    }
}

#[test]
fn our_network_trains_on_colour_and_on_images_that_are_no_square() {
    for input in [ImageShape { channels: 3, height: 32, width: 32 }, ImageShape::grey(30, 20)] {
        let checkpoints = tempfile::tempdir().unwrap();
        let whole = a_stop_anywhere_changes_no_bit(&plan(ours(input), checkpoints.path()));
        let images = coloured(input, 28, 9);
        let pixels = tinylsa_data::to_unit(&images.images);
        let shape = [28, input.channels, input.height, input.width];
        let tensor = Tensor::<4>::from_data(TensorData::new(pixels.clone(), shape), &Device::flex());
        let expected = values_of(&whole.model.forward(tensor));
        let folded = whole.model.for_inference().logits(&pixels).unwrap();
        let largest = expected.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
        for (found, expected) in folded.iter().zip(&expected) {
            assert!((found - expected).abs() <= 1e-5 * largest, "{found} {expected} of {input}");
        }
    }
}

#[test]
fn the_directory_of_the_checkpoints_is_made_and_a_stopped_run_resumed_in_one_call() {
    let [_, network] = stock_networks();
    let root = tempfile::tempdir().unwrap();
    let whole = plan(network.clone(), &root.path().join("new/whole")).run().unwrap();
    let stopped = plan(network.clone(), &root.path().join("new/stopped"));
    let stop = AtomicBool::new(false);
    let outcome = train(&stopped, &stop, &mut StopAfter { steps: 3, stop: &stop }).unwrap();
    assert!(matches!(outcome, TrainingOutcome::Interrupted { steps: 3, .. }), "{outcome:?}");
    assert!(state_of(&stopped.resume().unwrap().model) == state_of(&whole.model));

    let file = root.path().join("file");
    std::fs::write(&file, "no directory").unwrap();
    let error = plan(network, &file).run().unwrap_err();
    assert!(error.to_string().starts_with("failed to create the directory of the checkpoint"), "{error}");
}
