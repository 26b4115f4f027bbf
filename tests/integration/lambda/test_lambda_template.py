"""examples/lambda/template.yaml."""

from __future__ import annotations

import importlib
import io
import json
import zipfile
from pathlib import Path

from lambda_events import LOG

ROOT = Path(__file__).parents[3]


def test_the_template_makes_queue_function_and_mapping(aws):
    """examples/lambda/template.yaml, in moto's CloudFormation."""
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as file:
        file.writestr("vpcflow/aws/__init__.py", "")
    aws.bucket("code", {"vpcflow-lambda.zip": zipped.getvalue()})
    s3 = aws.bucket("flows")
    stacks = aws.client("cloudformation")
    values = {
        "LogBucket": "flows",
        "CodeBucket": "code",
        "ElasticsearchUrl": "https://elastic.example:9200",
        "ElasticsearchApiKey": "secret",
    }
    stacks.create_stack(
        StackName="flow-logs",
        TemplateBody=(ROOT / "examples" / "lambda" / "template.yaml").read_text(),
        Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in values.items()],
        Capabilities=["CAPABILITY_IAM"],
    )
    outputs = {it["OutputKey"]: it["OutputValue"] for it in stacks.describe_stacks()["Stacks"][0]["Outputs"]}
    [function] = aws.client("lambda").list_functions()["Functions"]
    module, _, name = function["Handler"].rpartition(".")
    assert callable(getattr(importlib.import_module(module), name))
    assert function["Environment"]["Variables"]["VPCFLOW_TO"] == "https://elastic.example:9200"
    [mapping] = aws.client("lambda").list_event_source_mappings()["EventSourceMappings"]
    assert mapping["EventSourceArn"] == outputs["QueueArn"]
    assert mapping["FunctionArn"] == function["FunctionArn"]
    [policy] = aws.client("iam").list_role_policies(RoleName=function["Role"].rpartition("/")[2])[
        "PolicyNames"
    ]
    assert policy == "vpcflow"
    # The bucket's notifications arrive, and a queue with a redrive policy holds them.
    sqs = aws.client("sqs")
    url = sqs.get_queue_url(QueueName=outputs["QueueArn"].rpartition(":")[2])["QueueUrl"]
    s3.put_bucket_notification_configuration(
        Bucket="flows",
        NotificationConfiguration={
            "QueueConfigurations": [{"QueueArn": outputs["QueueArn"], "Events": ["s3:ObjectCreated:*"]}]
        },
    )
    s3.put_object(Bucket="flows", Key="b.log.gz", Body=LOG)
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert int(attributes["ApproximateNumberOfMessages"]) == 2, "the test message, and the object's"
    assert json.loads(attributes["RedrivePolicy"])["maxReceiveCount"] == 3
    # AWS's advice is six times the function's time-out.
    assert int(attributes["VisibilityTimeout"]) >= 6 * function["Timeout"]
